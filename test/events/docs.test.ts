import { expect, test } from 'bun:test';
import type { BindingEvent, SidecarEvent } from '../../src/ports/events.ts';
import { Refusal, type RefusalReason, reject } from '../../src/register/reject.ts';

const page = await Bun.file(new URL('../../docs/events.md', import.meta.url)).text();

/** The rows of all tables, as the words in backquotes of their first cell, and the row. */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => ({ line, names: [...(line.split('|')[1] ?? '').matchAll(/`(.+?)`/g)].map(([, name]) => name) }));

function rowOf(name: string): string {
  return rows.find(({ names }) => names.includes(name))?.line ?? '';
}

type Fields<E> = Record<Exclude<keyof E, 'type'>, true>;

const BINDING: Fields<BindingEvent> = {
  aor: true,
  presence: true,
  contact: true,
  source: true,
  transport: true,
  userAgent: true,
  callId: true,
  expiresAt: true,
  cause: true,
};

/** Every type of event with all of its fields. */
const EVENTS: { readonly [T in SidecarEvent['type']]: Fields<Extract<SidecarEvent, { type: T }>> | typeof BINDING } = {
  registered: BINDING,
  'refreshed-elsewhere': BINDING,
  unregistered: BINDING,
  expired: BINDING,
  'connection-lost': BINDING,
  refused: {
    aor: true,
    reason: true,
    detail: true,
    status: true,
    source: true,
    transport: true,
    userAgent: true,
    callId: true,
  },
  banned: { source: true, until: true },
  unbanned: { source: true, until: true },
  drained: { server: true },
  undrained: { server: true },
  trunk: { carrier: true, carrierSid: true, gateway: true, state: true, reason: true },
  readiness: { state: true, why: true },
};

test.each(Object.entries(EVENTS))('docs/events.md has the event %s and each of its fields', (type, fields) => {
  expect(rowOf(type)).not.toBe('');
  for (const field of Object.keys(fields)) expect([field, rowOf(field)]).not.toEqual([field, '']);
  if (fields !== BINDING) for (const field of Object.keys(fields)) expect(rowOf(type)).toContain(`\`${field}\``);
});

/** Every reason but that of a challenge, which is no refusal. */
const REASONS: Record<Exclude<RefusalReason, 'Challenge'>, true> = {
  DomainIsAddress: true,
  InvalidAor: true,
  MalformedContact: true,
  CallIdTooLong: true,
  MalformedAuthorization: true,
  WildcardMisused: true,
  TooManyContactsAsked: true,
  IntervalTooBrief: true,
  AccountInactive: true,
  UnknownRealm: true,
  UnknownRealmHosted: true,
  TooManyDevices: true,
  InvalidCredentials: true,
  UnknownUser: true,
  GuessedTooOften: true,
  DeniedByWebhook: true,
  WebhookRefusedRequest: true,
  WebhookFailed: true,
  TooManyContacts: true,
  OutOfOrder: true,
  StoreUnavailable: true,
  QueryRefused: true,
  Unforeseen: true,
};

test.each(Object.keys(REASONS) as RefusalReason[])('docs/events.md has the reason %s with its status', (reason) => {
  expect(rowOf(reason)).toContain(`| ${reject(new Refusal(reason)).status} |`);
});
