import type { ActionName, Actions, EdgeStatus, FeatureServerRow, GatewayRow, Status, TrunkRow } from './protocol.ts';

/** What an action answers when it was done. */
export type Success<A extends ActionName = ActionName> = { success: true } & Actions[A]['answered'];

type Check<T> = (value: unknown) => value is T;

const text: Check<string> = (value) => typeof value === 'string';
const number: Check<number> = (value) => typeof value === 'number';
const flag: Check<boolean> = (value) => typeof value === 'boolean';
const anything: Check<unknown> = (_): _ is unknown => true;

function oneOf<const T>(...values: readonly T[]): Check<T> {
  return (value): value is T => values.some((v) => v === value);
}

function nullable<T>(check: Check<T>): Check<T | null> {
  return (value): value is T | null => value === null || check(value);
}

function list<T>(check: Check<T>): Check<T[]> {
  return (value): value is T[] => Array.isArray(value) && value.every(check);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function record<T>(checks: { readonly [K in keyof T]-?: Check<T[K]> }): Check<T> {
  const all = Object.entries<Check<unknown>>(checks);
  return (value): value is T => isRecord(value) && all.every(([name, check]) => check(value[name]));
}

const success = oneOf(true);
const drained = list(text);
const array = list(anything);
const key = text;

const row = record<FeatureServerRow>({
  server: text,
  status: oneOf('active', 'drained', 'orphaned'),
  calls: nullable(number),
  lastCheckIn: nullable(number),
  serviceUrl: nullable(text),
});

const trunk = record<TrunkRow>({
  ...{ carrier: text, carrierSid: text, gateway: text, host: text, port: nullable(number), transport: text },
  ...{ realm: text, username: text, trunkType: text, state: text, since: number, expiresAt: nullable(number) },
  ...{ lastReason: nullable(text), nextTryAt: nullable(number), failures: number, cseq: number },
});

const gateway = record<GatewayRow>({
  ...{ carrier: text, gateway: text, host: text, port: nullable(number), transport: text },
  ...{ state: oneOf('up', 'down', 'unknown'), since: nullable(number), lastAnswer: nullable(text) },
  ...{ lastAnswerAt: nullable(number), rttMs: nullable(number) },
});

const edge = record<EdgeStatus>({
  ...{
    connections: number,
    requestsUnderWay: number,
    keptBytes: number,
    serverTransactions: number,
    clientTransactions: number,
    requests: number,
  },
  ...{ retransmissions: number, refused: number, responses: number, malformed: number, dropped: number },
});

const leadership = { leading: flag, holder: nullable(text) };
const skipped = list(
  record<{ carrier: string; gateway: string; why: string }>({ carrier: text, gateway: text, why: text }),
);

const SHAPES: { readonly [A in ActionName]: Check<Success<A>> } = {
  'fs-drain': record({ success, action: oneOf('drain'), server: text, drained }),
  'fs-undrain': record({ success, action: oneOf('undrain'), server: text, drained }),
  'fs-drained': record({ success, drained }),
  'fs-available': record({ success, available: list(text) }),
  'fs-list': record({ success, servers: list(row), drained, now: number }),
  set: record({ success, key, value: anything, effect: flag }),
  get: record({ success, key, value: anything }),
  list: record({ success, config: isRecord }),
  add: record({ success, key, item: anything, array, added: flag }),
  remove: record({ success, key, item: anything, array, removed: flag }),
  'trunk-list': record({ success, trunks: list(trunk), skipped, now: number, ...leadership }),
  'trunk-show': record({ success, trunk, now: number }),
  'trunk-refresh': record({ success, refreshed: text }),
  'gateway-list': record({ success, gateways: list(gateway), now: number, ...leadership }),
  reload: record({ success, message: text }),
  status: record<{ success: true } & Status>({
    success,
    version: text,
    pid: number,
    startedAt: number,
    now: number,
    ready: flag,
    sip: record({ server: oneOf('drachtio', 'embedded'), connected: flag, hostports: text }),
    edge: nullable(edge),
    store: oneOf('redis', 'sqlite'),
    directory: oneOf('mysql', 'sqlite'),
    clusterId: text,
    featureServers: nullable(record({ active: number, drained: number })),
    rtpServers: nullable(number),
    outbound: record({
      ...leadership,
      trunks: record({ total: number, registered: number }),
      gateways: record({ up: number, down: number, unknown: number }),
    }),
  }),
};

/** Whether this is a whole answer to the action, every field of the protocol in it. */
export function isAnswerTo<A extends ActionName>(action: A, value: unknown): value is Success<A> {
  return SHAPES[action](value);
}

/** Why the sidecar did not do what it was asked; undefined when this is no refusal. */
export function refusal(value: unknown): string | undefined {
  return isRecord(value) && value.success === false && text(value.error) ? value.error : undefined;
}
