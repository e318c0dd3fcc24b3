import { defineCommand } from 'citty';
import type { BindingDetails, RefusedRegister, RegistrationDetails } from '../../admin/protocol.ts';
import { ago, duration, until } from '../duration.ts';
import { type Field, fieldLines } from '../fields.ts';
import { NOTHING } from '../outbound.ts';
import { askSidecar, JSON_FLAG, show } from '../sidecar.ts';
import { type Painter, painter } from '../terminal.ts';
import { AOR } from './aor.ts';

export default defineCommand({
  meta: { name: 'show', description: 'Show all that is known of an AOR: bindings, account, client, last refusal' },
  args: { aor: AOR, ...JSON_FLAG },
  async run({ args }) {
    const answer = await askSidecar('reg-show', { aor: args.aor });
    await show(args, answer, page(answer, await painter()));
  },
});

function page(details: RegistrationDetails, painter: Painter): string {
  const { bindings, lastRefusal, now } = details;
  const sections = [
    summary(details),
    ...bindings.map((binding) => bindingFields(binding, now)),
    ...(lastRefusal ? [refusalFields(lastRefusal, now)] : []),
  ];
  return sections.map((fields) => fieldLines(fields, painter)).join('\n\n');
}

function summary(details: RegistrationDetails): readonly Field[] {
  const { aor, bindings, lastRefusal } = details;
  const count = bindings.length;
  return [
    ['AOR', aor],
    accountField(details),
    clientField(details),
    [
      'Registered',
      count === 0 ? 'no' : `yes, ${count} ${count === 1 ? 'binding' : 'bindings'}`,
      count === 0 ? 'yellow' : 'green',
    ],
    ...(lastRefusal ? [] : [['Last refusal', 'none since this sidecar started'] as const]),
  ];
}

function accountField({ account, unknownBecause }: RegistrationDetails): Field {
  if (account === undefined) return ['Account', `unknown: ${unknownBecause}`, 'red'];
  if (account === null) return ['Account', 'none has this realm', 'red'];
  const { sid, realm, active } = account;
  return ['Account', `${sid} (${realm}), ${active ? 'active' : 'deactivated'}`, active ? undefined : 'red'];
}

function clientField({ account, client, unknownBecause }: RegistrationDetails): Field {
  if (account?.webhook) return ['Client', `authenticated by the webhook ${account.webhook}`];
  if (!account) return ['Client', NOTHING];
  if (client === undefined) return ['Client', `unknown: ${unknownBecause}`, 'red'];
  if (client === null) return ['Client', 'none has this name', 'red'];
  const { username, active } = client;
  return ['Client', `${username}, ${active ? 'active' : 'deactivated'}`, active ? undefined : 'red'];
}

function bindingFields(binding: BindingDetails, now: number): readonly Field[] {
  const allowed = [
    binding.directAppCalling && 'applications',
    binding.directQueueCalling && 'queues',
    binding.directUserCalling && 'users',
  ].filter((what) => what !== false);
  return [
    ['Contact', `<${binding.contact}>${binding.contactParams}`],
    ['Identity', binding.key],
    ['Transport', binding.transport ?? NOTHING],
    ['Source', binding.source ?? NOTHING],
    ['User agent', binding.userAgent ?? NOTHING],
    ['Registered', ago(binding.registeredAt, now, NOTHING)],
    ['Expires', until(binding.expiresAt, now, NOTHING)],
    ['Call-ID', binding.callId ?? NOTHING],
    ['CSeq', binding.cseq === null ? NOTHING : String(binding.cseq)],
    ['SBC address', binding.sbcAddress || NOTHING],
    ['Private address', binding.privateSbcAddress || NOTHING],
    ['Call hook', binding.callHook ?? NOTHING],
    ['Status hook', binding.callStatusHook ?? NOTHING],
    ['May call', allowed.join(', ') || 'nothing directly'],
    ...bannedField(binding.bannedUntil ?? null, now),
  ];
}

function refusalFields(refusal: RefusedRegister, now: number): readonly Field[] {
  const { at, reason, detail, status, bannedUntil } = refusal;
  return [
    ['Last refusal', ago(at, now, NOTHING)],
    ['Reason', `${reason}${detail === null ? '' : `: ${detail}`}`],
    ['Response', String(status)],
    ['Source', refusal.source],
    ['Transport', refusal.transport],
    ['User agent', refusal.userAgent ?? NOTHING],
    ['Call-ID', refusal.callId],
    ...bannedField(bannedUntil, now),
  ];
}

/** For how long the source is banned, if it is. */
function bannedField(until: number | null, now: number): readonly Field[] {
  return until === null ? [] : [['Banned', `for ${duration(until - now)}`, 'red']];
}
