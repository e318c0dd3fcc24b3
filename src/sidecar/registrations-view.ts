import { type BansView, Refused, type RegistrationsView } from '../admin/actions.ts';
import type { BindingDetails, BindingRow, RegistrationDetails, StreamParams } from '../admin/protocol.ts';
import type { LastRefusals } from '../events/last-refusals.ts';
import { defined } from '../lib/defined.ts';
import { loggableUrl } from '../lib/loggable-url.ts';
import { sleep, type Timers } from '../lib/timers.ts';
import type { Directory } from '../ports/directory.ts';
import { DependencyError } from '../ports/errors.ts';
import type { Events } from '../ports/events.ts';
import type { Aor, Binding, LocationService } from '../ports/location.ts';
import type { Registrations } from '../ports/registrations.ts';
import { bindingEvent } from '../register/binding-event.ts';
import { aorName, readAorName } from '../sip/aor.ts';
import { ipOf, networkOf } from '../sip/ip.ts';
import { canonicalUri } from '../sip/uri.ts';

/** Between two batches of a list, milliseconds: phones are served in the meantime. */
const PAUSE_MS = 2;
/** Above every CSeq (RFC 3261 8.1.1.5). */
const LAST_CSEQ = 2 ** 31;

export interface RegistrationSources {
  readonly registrations: Pick<Registrations, 'batches'>;
  readonly location: Pick<LocationService, 'lookup' | 'update'>;
  readonly directory: Pick<Directory, 'accountByRealm' | 'client'>;
  readonly lastRefusals: Pick<LastRefusals, 'of'>;
  readonly bans: Pick<BansView, 'bans'>;
  readonly events: Events;
  readonly timers: Timers;
}

/** The bindings of phones as an operator sees them. */
export function registrationsView(sources: RegistrationSources): RegistrationsView {
  return {
    list: (filter, signal) => list(sources, filter, signal),
    show: (text) => show(sources, text),
    remove: (text, contact) => remove(sources, text, contact),
  };
}

async function* list(
  { registrations, timers }: RegistrationSources,
  filter: StreamParams<'reg-list'>,
  signal: AbortSignal,
) {
  const source = filter.source === undefined ? undefined : ipOf(filter.source);
  if (filter.source !== undefined && source === undefined) throw new Refused(`Invalid IP address: ${filter.source}`);
  const isWanted = (b: Binding) =>
    (source === undefined || ipOf(sourceOf(b) ?? '') === source) && (filter.transport ?? b.protocol) === b.protocol;
  const names = defined({ realm: filter.realm?.toLowerCase(), text: filter.aor });
  for await (const batch of registrations.batches(names)) {
    const bindings = batch.flatMap(({ aor, bindings: all }) => all.filter(isWanted).map((b) => bindingRow(aor, b)));
    if (bindings.length > 0) yield { bindings, now: timers.now() };
    await sleep(PAUSE_MS, timers, signal);
    if (signal.aborted) return;
  }
}

async function show(sources: RegistrationSources, text: string): Promise<RegistrationDetails> {
  const { lastRefusals, bans, timers } = sources;
  const { aor, bindings } = await find(sources, text);
  const now = timers.now();
  const canonical = { ...aor, realm: aor.realm.toLowerCase() };
  const refusal = lastRefusals.of(aorName(canonical));
  const current = bans.bans();
  const bannedUntil = (source: string) => {
    const network = networkOf(ipOf(source) ?? source);
    return current.find((ban) => ban.source === network && ban.until > now)?.until;
  };
  return {
    aor: aorName(aor),
    bindings: bindings.map((binding) =>
      defined({ ...bindingDetails(aor, binding), bannedUntil: bannedUntil(sourceOf(binding) ?? '') }),
    ),
    ...(await accountOf(sources, canonical)),
    lastRefusal: refusal
      ? {
          at: refusal.at,
          reason: refusal.reason,
          detail: refusal.detail ?? null,
          status: refusal.status,
          source: refusal.source,
          transport: refusal.transport,
          userAgent: refusal.userAgent ?? null,
          callId: refusal.callId,
          bannedUntil: bannedUntil(refusal.source) ?? null,
        }
      : null,
    now,
  };
}

async function accountOf(
  { directory }: RegistrationSources,
  { user, realm }: Aor,
): Promise<Pick<RegistrationDetails, 'account' | 'client' | 'unknownBecause'>> {
  let account: Pick<RegistrationDetails, 'account'> = {};
  try {
    const found = await directory.accountByRealm(realm);
    if (!found) return { account: null, unknownBecause: null };
    const { sid, isActive, webhook } = found;
    account = {
      account: { sid, realm: found.realm, active: isActive, webhook: webhook ? loggableUrl(webhook.url) : null },
    };
    if (webhook) return { ...account, unknownBecause: null };
    const client = await directory.client(sid, user);
    return {
      ...account,
      client: client ? { username: client.username, active: client.isActive } : null,
      unknownBecause: null,
    };
  } catch (error) {
    if (!(error instanceof DependencyError)) throw error;
    return { ...account, unknownBecause: error.message };
  }
}

async function remove(sources: RegistrationSources, text: string, contact: string | undefined) {
  const { location, events } = sources;
  const { aor, bindings } = await find(sources, text);
  const removed = contact === undefined ? bindings : bindings.filter((b) => isContact(b, contact));
  const [first] = removed;
  if (!first) throw new Refused(`${aorName(aor)} is not registered${contact === undefined ? '' : ` at ${contact}`}`);
  // Without a Call-ID it is out of order to none of them.
  const outcome = await location.update({
    aor,
    accountRealm: first.accountRealm ?? aor.realm,
    callId: '',
    cseq: LAST_CSEQ,
    save: [],
    remove: removed,
    maxContacts: bindings.length,
  });
  if (!outcome.ok) throw new Refused(`not removed: ${outcome.refusal}`);
  const contacts = outcome.ended.map((b) => b.contact);
  const remaining = outcome.bindings.length;
  const presence = remaining > 0 ? 'online' : 'offline';
  for (const binding of outcome.ended) events.emit(bindingEvent('unregistered', aor, binding, presence, 'operator'));
  return { aor: aorName(aor), removed: contacts, remaining };
}

/**
 * The bindings of the AOR that an operator names, with or without a scheme. Earlier jambonz sidecars keep the case of a
 * realm: it is tried as written, and then in lower case.
 * @throws Refused
 */
async function find({ location }: RegistrationSources, text: string) {
  const written = readAorName(text.replace(/^sips?:/i, ''));
  if (!written) throw new Refused(`Invalid AOR: ${text}; expected user@realm`);
  const aor = { ...written, realm: written.realm.toLowerCase() };
  for (const each of aor.realm === written.realm ? [aor] : [written, aor]) {
    const { bindings } = await location.lookup(each, { several: true });
    if (bindings.length > 0) return { aor: each, bindings };
  }
  return { aor, bindings: [] };
}

function isContact(binding: Binding, contact: string): boolean {
  return binding.contact === contact || binding.key === contact || binding.uri === canonicalUri(contact);
}

function bindingRow(aor: Aor, binding: Binding): BindingRow {
  return {
    aor: aorName(aor),
    contact: binding.contact,
    transport: binding.protocol || null,
    source: sourceOf(binding) ?? null,
    userAgent: binding.userAgent ?? null,
    expiresAt: binding.expiryTime,
  };
}

function bindingDetails(aor: Aor, binding: Binding): BindingDetails {
  const { contactParams, key, callId, cseq, savedAt, sbcAddress, privateSbcAddress, grant } = binding;
  // An earlier jambonz sidecar stores neither; nor the time.
  const isOurs = savedAt > 0;
  return {
    ...bindingRow(aor, binding),
    contactParams,
    key,
    callId: isOurs ? callId : null,
    cseq: isOurs ? cseq : null,
    registeredAt: isOurs ? savedAt : null,
    sbcAddress,
    privateSbcAddress,
    callHook: hookUrl(grant.callHook),
    callStatusHook: hookUrl(grant.callStatusHook),
    directAppCalling: Boolean(grant.allowDirectAppCalling),
    directQueueCalling: Boolean(grant.allowDirectQueueCalling),
    directUserCalling: Boolean(grant.allowDirectUserCalling),
  };
}

/** `ip:port`, IPv6 in brackets. */
function sourceOf({ proxy }: Pick<Binding, 'proxy'>): string | undefined {
  return proxy.replace(/^sips?:/i, '') || undefined;
}

/** A hook is a URL, or an object of the webhook with one; it may hold secrets besides. */
function hookUrl(hook: unknown): string | null {
  const url = typeof hook === 'object' && hook !== null && 'url' in hook ? hook.url : hook;
  return typeof url === 'string' ? loggableUrl(url) : null;
}
