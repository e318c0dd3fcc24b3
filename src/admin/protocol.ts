/**
 * The protocol of the admin socket: one JSON object per line, answered in order. Scripts rely on the names of actions and
 * fields. All times are milliseconds since the epoch.
 *
 * The answer is one line: `"success":true` and the result, or `"success":false` and an `error`. That of a {@link STREAMS}
 * action is several: each but the last has `"more":true` and a part of the result, or no part, to show that the sidecar
 * lives; the last has `"more":false`, or is an error. A client ends a stream by closing its connection.
 */
import * as v from 'valibot';
import { type bindingDetails, bindingRow, type refusedRegister, registrationDetails } from './registration-rows.ts';

/** The socket's path unless SBC_SOCKET_PATH is set. */
export const DEFAULT_SOCKET_PATH = '/tmp/sbc-sip-sidecar.sock';
/** The value of SBC_SOCKET_PATH in packaging/systemd; commands look there first. */
export const SERVICE_SOCKET_PATH = '/run/sbc-sip-sidecar/admin.sock';
/** Longest accepted request line, bytes without the line break. */
export const MAX_LINE_BYTES = 65_536;

/** The keys of settings that have an effect. */
export const SETTINGS = ['logLevel'] as const;
/** From the lowest to the highest; `silent` logs nothing. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

const MAX_NAME_LENGTH = 256;
const MAX_CONTACT_LENGTH = 4096;
/** Of phones. */
export const TRANSPORTS = ['udp', 'tcp', 'tls', 'ws', 'wss'] as const;

const text = (field: string, max = MAX_NAME_LENGTH) =>
  v.pipe(
    v.string(`${field} expected`),
    v.nonEmpty(`${field} expected`),
    v.maxLength(max, `${field} is longer than ${max} characters`),
  );
/** The default gives a missing field the same message as an empty one. */
const required = (field: string) => v.optional(text(field), '');

const nothing = v.object({});
/** An IP address, with or without a port. Anything but text becomes '', which the handler refuses as no address. */
const server = v.object({ server: v.fallback(v.string(), '') });
const key = v.object({ key: required('key') });
const keyAndValue = v.object({ key: required('key'), value: v.unknown() }, 'value expected');
const keyAndItem = v.object({ key: required('key'), item: v.unknown() }, 'value expected');

const featureServerRow = v.object({
  /** `ip:port`; only the ip when orphaned. */
  server: v.string(),
  /** `orphaned`: drained, but not checking in. */
  status: v.picklist(['active', 'drained', 'orphaned']),
  /** As of the last check-in; null when it did not say. */
  calls: v.nullable(v.number()),
  lastCheckIn: v.nullable(v.number()),
  serviceUrl: v.nullable(v.string()),
});

/** How many feature servers run in Kubernetes and do not check in; absent when one checks in. */
const kubernetes = v.exactOptional(v.number());

const featureServers = v.object({
  servers: v.array(featureServerRow),
  /** Every drained ip, orphaned ones included. */
  drained: v.array(v.string()),
  now: v.number(),
  kubernetes,
});

/** One sidecar of a cluster, the leader, registers at carriers. */
const leadership = v.object({
  /** Whether the sidecar that answers is the leader. */
  leading: v.boolean(),
  /** The leader's token; null when there is no leader or the store does not answer. */
  holder: v.nullable(v.string()),
});

/** A registration at a carrier's gateway. */
const trunkRow = v.object({
  carrier: v.string(),
  carrierSid: v.string(),
  /** sip_gateway_sid, also the Call-ID. */
  gateway: v.string(),
  host: v.string(),
  port: v.nullable(v.number()),
  transport: v.string(),
  realm: v.string(),
  username: v.string(),
  trunkType: v.string(),
  state: v.string(),
  since: v.number(),
  expiresAt: v.nullable(v.number()),
  /** The last response, or the error in its place. */
  lastReason: v.nullable(v.string()),
  nextTryAt: v.nullable(v.number()),
  /** Consecutive failures. */
  failures: v.number(),
  cseq: v.number(),
});

const trunks = v.object({
  ...leadership.entries,
  trunks: v.array(trunkRow),
  /** What requires registration and is not registered, and why. */
  skipped: v.array(
    v.object({
      carrier: v.string(),
      carrierSid: v.string(),
      /** null when the carrier has no gateway to register with. */
      gateway: v.nullable(v.string()),
      why: v.string(),
    }),
  ),
  now: v.number(),
});

/** A gateway that is pinged. */
const gatewayRow = v.object({
  carrier: v.string(),
  /** sip_gateway_sid. */
  gateway: v.string(),
  host: v.string(),
  port: v.nullable(v.number()),
  transport: v.string(),
  state: v.picklist(['up', 'down', 'unknown']),
  since: v.nullable(v.number()),
  lastAnswer: v.nullable(v.string()),
  lastAnswerAt: v.nullable(v.number()),
  rttMs: v.nullable(v.number()),
});

const gateways = v.object({
  ...leadership.entries,
  gateways: v.array(gatewayRow),
  now: v.number(),
});

const ban = v.object({
  /** An IPv4 address, or the /64 of an IPv6 address. */
  source: v.string(),
  /** Within what a Date can hold. */
  until: v.pipe(v.number(), v.minValue(0), v.maxValue(8.64e15)),
});

/** A variable of the configuration. */
const variable = v.object({
  name: v.string(),
  /** As in the environment; `[hidden]` for a secret that is set, '' for what is not set and has no default. */
  value: v.string(),
  /** `file`: kept in the data directory. `set`: changed since the start. */
  from: v.picklist(['flag', 'environment', 'default', 'file', 'set']),
  secret: v.boolean(),
});

/** An event as docs/events.md describes it. */
const event = v.objectWithRest({ id: v.number(), at: v.number(), type: v.string() }, v.unknown());

const edgeStatus = v.object({
  // Gauges.
  connections: v.number(),
  requestsUnderWay: v.number(),
  keptBytes: v.number(),
  serverTransactions: v.number(),
  clientTransactions: v.number(),
  // Counters since the start.
  requests: v.number(),
  retransmissions: v.number(),
  refused: v.number(),
  responses: v.number(),
  malformed: v.number(),
  dropped: v.number(),
  banned: v.number(),
});

/** A server that the sidecar depends on. */
const dependency = v.object({
  role: v.picklist(['sip', 'store', 'database', 'database writer', 'alerts']),
  name: v.string(),
  address: v.string(),
  /** `unknown`: it has not answered since the start. */
  state: v.picklist(['unknown', 'up', 'down']),
  /** When this state began. */
  since: v.number(),
  /** The last failure; null while it is up. */
  why: v.nullable(v.string()),
});

const status = v.object({
  version: v.string(),
  pid: v.number(),
  startedAt: v.number(),
  now: v.number(),
  /** Whether phones are served: ready or degraded. */
  ready: v.boolean(),
  /** `degraded`: the database is down, and cached rows serve on. */
  readiness: v.picklist(['ready', 'degraded', 'not ready']),
  /** Why it is not ready, or degraded. */
  notReadyBecause: v.nullable(v.string()),
  dependencies: v.array(dependency),
  sip: v.object({
    server: v.picklist(['drachtio', 'embedded']),
    connected: v.boolean(),
    /** Comma-separated, as `udp/192.0.2.1:5060`. */
    hostports: v.string(),
  }),
  /** null with a drachtio server. */
  edge: v.nullable(edgeStatus),
  store: v.picklist(['redis', 'sqlite']),
  directory: v.picklist(['mysql', 'sqlite']),
  clusterId: v.string(),
  /** null while the store does not answer, as is `rtpServers`. */
  featureServers: v.nullable(v.object({ active: v.number(), drained: v.number() })),
  rtpServers: v.nullable(v.number()),
  /** AORs with a live binding, of the whole cluster; null while the store does not answer. */
  registeredAors: v.nullable(v.number()),
  /** Banned sources. */
  bans: v.number(),
  /** Alerts that wait for InfluxDB, and those dropped since the start; null when they go to the log only. */
  alerts: v.nullable(v.object({ waiting: v.number(), dropped: v.number() })),
  /** Counts of this sidecar only: there are no trunks unless it leads. */
  outbound: v.object({
    ...leadership.entries,
    trunks: v.object({ total: v.number(), registered: v.number() }),
    gateways: v.object({ up: v.number(), down: v.number(), unknown: v.number() }),
  }),
});

/** Every action: its parameters, sent beside `action`, and its result, sent beside `success`. */
export const ACTIONS = {
  /** With `force` false it is refused for the last active server, and for one that has not checked in. */
  'fs-drain': {
    params: v.object({ ...server.entries, force: v.exactOptional(v.boolean('force must be true or false')) }),
    result: v.object({ action: v.literal('drain'), server: v.string(), drained: v.array(v.string()), kubernetes }),
  },
  'fs-undrain': {
    params: server,
    result: v.object({ action: v.literal('undrain'), server: v.string(), drained: v.array(v.string()) }),
  },
  'fs-drained': { params: nothing, result: v.object({ drained: v.array(v.string()) }) },
  /** Active servers, as `ip:port`. */
  'fs-available': { params: nothing, result: v.object({ available: v.array(v.string()) }) },
  'fs-list': { params: nothing, result: featureServers },
  set: {
    params: keyAndValue,
    result: v.object({ key: v.string(), value: v.unknown(), effect: v.boolean() }),
  },
  get: { params: key, result: v.object({ key: v.string(), value: v.optional(v.unknown()) }) },
  list: { params: nothing, result: v.object({ config: v.record(v.string(), v.unknown()) }) },
  add: {
    params: keyAndItem,
    result: v.object({ key: v.string(), item: v.unknown(), array: v.array(v.unknown()), added: v.boolean() }),
  },
  remove: {
    params: keyAndItem,
    result: v.object({ key: v.string(), item: v.unknown(), array: v.array(v.unknown()), removed: v.boolean() }),
  },
  /** In `trunk-show` and `trunk-refresh`, `gateway` may be a SID, the beginning of one, or the name of a carrier. */
  'trunk-list': { params: nothing, result: trunks },
  'trunk-show': {
    params: v.object({ gateway: required('gateway') }),
    result: v.object({ trunk: trunkRow, now: v.number() }),
  },
  /** Reads the carriers again; with `gateway`, also registers there now. */
  'trunk-refresh': {
    params: v.object({ gateway: v.exactOptional(text('gateway')) }),
    result: v.object({ refreshed: v.string() }),
  },
  'gateway-list': { params: nothing, result: gateways },
  'ban-list': { params: nothing, result: v.object({ bans: v.array(ban), now: v.number() }) },
  /** Lifts the ban of an address, or all, and resets their scores. */
  'ban-clear': {
    params: v.object({ ip: v.exactOptional(text('ip')) }),
    result: v.object({ lifted: v.array(v.string()) }),
  },
  'reg-show': { params: v.object({ aor: required('aor') }), result: registrationDetails },
  /** Removes one binding of an AOR, or all; the phone is not informed. */
  'reg-remove': {
    params: v.object({ aor: required('aor'), contact: v.exactOptional(text('contact', MAX_CONTACT_LENGTH)) }),
    result: v.object({
      aor: v.string(),
      /** Contact URIs. */
      removed: v.array(v.string()),
      /** Bindings that the AOR still has. */
      remaining: v.number(),
    }),
  },
  reload: { params: nothing, result: v.object({ message: v.string() }) },
  status: { params: nothing, result: status },
  config: { params: nothing, result: v.object({ variables: v.array(variable) }) },
} as const;

/** Actions with an answer of several lines: their parameters, and the part of the result in each line. */
export const STREAMS = {
  /** Live bindings in no order, those of one AOR together. */
  'reg-list': {
    params: v.object({
      /** Its sub-domains too. */
      realm: v.exactOptional(text('realm')),
      /** A part of the AOR, in any case. */
      aor: v.exactOptional(text('aor')),
      /** IP address of the phone, or of the NAT in front of it. */
      source: v.exactOptional(text('source')),
      transport: v.exactOptional(
        v.pipe(
          v.string(),
          v.toLowerCase(),
          v.picklist(TRANSPORTS, `transport must be one of ${TRANSPORTS.join(', ')}`),
        ),
      ),
    }),
    part: v.object({ bindings: v.array(bindingRow), now: v.number() }),
  },
  /** Events from now on, and before them the last ones if `recent` says so. Without an end. */
  events: {
    params: v.object({
      aor: v.exactOptional(text('aor')),
      types: v.exactOptional(v.array(text('type'))),
      recent: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(0))),
    }),
    part: v.object({
      /** Events lost before these, because the client read too slowly. */
      dropped: v.number(),
      events: v.array(event),
    }),
  },
} as const;

/** A line without a part is sent this often while a stream has nothing to say, milliseconds. */
export const KEEP_ALIVE_MS = 2000;

export const SUCCESS = v.object({ success: v.literal(true) });
export const STREAM_LINE = v.looseObject({ success: v.literal(true), more: v.boolean() });
/** `stopping`: of a stream, because the sidecar stops. */
export const REFUSAL = v.object({
  success: v.literal(false),
  error: v.string(),
  stopping: v.exactOptional(v.literal(true)),
});

type Immutable<T> = unknown extends T ? T : { readonly [K in keyof T]: Immutable<T[K]> };
type Output<S extends v.GenericSchema> = Immutable<v.InferOutput<S>>;

export type ActionName = keyof typeof ACTIONS;
export type Params<A extends ActionName> = v.InferOutput<(typeof ACTIONS)[A]['params']>;
export type Result<A extends ActionName> = Output<(typeof ACTIONS)[A]['result']>;
/** The whole answer when the action succeeded. */
export type Success<A extends ActionName = ActionName> = { readonly success: true } & Result<A>;

export type StreamName = keyof typeof STREAMS;
export type StreamParams<A extends StreamName> = v.InferOutput<(typeof STREAMS)[A]['params']>;
/** {@link StreamParams} before they are parsed. */
export type StreamRequest<A extends StreamName> = v.InferInput<(typeof STREAMS)[A]['params']>;
export type StreamPart<A extends StreamName> = Output<(typeof STREAMS)[A]['part']>;

export type FeatureServers = Output<typeof featureServers>;
export type FeatureServerRow = Output<typeof featureServerRow>;
export type Leadership = Output<typeof leadership>;
export type Trunks = Output<typeof trunks>;
export type TrunkRow = Output<typeof trunkRow>;
export type Gateways = Output<typeof gateways>;
export type GatewayRow = Output<typeof gatewayRow>;
export type BanRow = Output<typeof ban>;
export type VariableRow = Output<typeof variable>;
export type BindingRow = Output<typeof bindingRow>;
export type BindingDetails = Output<typeof bindingDetails>;
export type RefusedRegister = Output<typeof refusedRegister>;
export type RegistrationDetails = Output<typeof registrationDetails>;
export type EventRow = Output<typeof event>;
export type EdgeStatus = Output<typeof edgeStatus>;
export type Status = Output<typeof status>;
export type DependencyRow = Output<typeof dependency>;
