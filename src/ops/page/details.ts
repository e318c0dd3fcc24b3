import type { BindingDetails, RegistrationDetails } from '../../admin/protocol.ts';
import { byId, make, setText } from './dom.ts';
import { ago, until } from './format.ts';

/** Shows everything known of an AOR in a dialog. */
export function showDetails({
  aor,
  bindings,
  account,
  client,
  unknownBecause,
  lastRefusal,
  now,
}: RegistrationDetails): void {
  setText(byId('h-details', HTMLElement), aor);
  const refusal = lastRefusal && `${ago(lastRefusal.at, now)}: ${lastRefusal.reason} (${lastRefusal.status})`;
  const about = facts([
    ['Account', account === null ? 'none has this realm' : account?.sid],
    ['Account active', yesOrNo(account?.active)],
    ['Client active', client === null ? 'there is no such client' : yesOrNo(client?.active)],
    ['Not known because', unknownBecause],
    ['Last refused', refusal],
    ['Refused because', lastRefusal?.detail],
    ['Refused at', lastRefusal?.source],
    ['Banned', lastRefusal && lastRefusal.bannedUntil !== null ? `ends ${until(lastRefusal.bannedUntil, now)}` : null],
  ]);
  const each = bindings.flatMap((binding, i) => [make('h3', `Binding ${i + 1}`), bindingFacts(binding, now)]);
  const none = bindings.length === 0 ? [make('p', 'It is not registered.')] : [];
  byId('details-body', HTMLElement).replaceChildren(about, ...none, ...each);
  const dialog = byId('details', HTMLDialogElement);
  byId('details-close', HTMLButtonElement).onclick = () => dialog.close();
  if (!dialog.open) dialog.showModal();
}

function bindingFacts(binding: BindingDetails, now: number): HTMLElement {
  return facts([
    ['Contact', binding.contact],
    ['Parameters', binding.contactParams],
    ['Source', binding.source],
    ['Transport', binding.transport],
    ['User agent', binding.userAgent],
    ['Registered', binding.registeredAt === null ? null : ago(binding.registeredAt, now)],
    ['Expires', until(binding.expiresAt, now)],
    ['Call-ID', binding.callId],
    ['Registered at', binding.sbcAddress],
  ]);
}

function yesOrNo(value: boolean | undefined): string | undefined {
  return value === undefined ? undefined : value ? 'yes' : 'no';
}

/** A list of facts, without those that are not known. */
function facts(all: readonly (readonly [name: string, value: string | null | undefined])[]): HTMLElement {
  const list = make('dl', '', 'facts');
  for (const [name, value] of all) if (value) list.append(make('dt', name), make('dd', value));
  return list;
}
