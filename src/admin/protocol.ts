/**
 * What both ends of the admin socket say: one JSON object a line, one answer a line, in order. The names of actions and
 * fields are those that scripts of earlier versions know.
 */

/** Where the socket is unless SBC_SOCKET_PATH says otherwise. */
export const DEFAULT_SOCKET_PATH = '/tmp/sbc-sip-sidecar.sock';
/** A longer line is answered with an error, and the connection closed; bytes, the line break not counted. */
export const MAX_LINE_BYTES = 65_536;

/** The actions, each with what it takes and what it answers beside `success`. */
export interface Actions {
  readonly 'fs-drain': Action<{ server: string }, { action: 'drain'; server: string; drained: string[] }>;
  readonly 'fs-undrain': Action<{ server: string }, { action: 'undrain'; server: string; drained: string[] }>;
  readonly 'fs-drained': Action<object, { drained: string[] }>;
  /** `ip:port` of those that take calls. */
  readonly 'fs-available': Action<object, { available: string[] }>;
  readonly 'fs-list': Action<object, FeatureServers>;
  readonly set: Action<{ key: string; value: unknown }, { key: string; value: unknown; effect: boolean }>;
  readonly get: Action<{ key: string }, { key: string; value?: unknown }>;
  readonly list: Action<object, { config: Record<string, unknown> }>;
  readonly add: Action<
    { key: string; item: unknown },
    { key: string; item: unknown; array: unknown[]; added: boolean }
  >;
  readonly remove: Action<
    { key: string; item: unknown },
    { key: string; item: unknown; array: unknown[]; removed: boolean }
  >;
  readonly 'trunk-list': Action<object, Trunks>;
  /** `gateway` is a sip_gateway_sid. */
  readonly 'trunk-show': Action<{ gateway: string }, { trunk: TrunkRow; now: number }>;
  /** Reads the carriers again now, and registers at one gateway now when it is named. */
  readonly 'trunk-refresh': Action<{ gateway?: string }, { refreshed: string }>;
  readonly 'gateway-list': Action<object, { gateways: readonly GatewayRow[]; now: number } & Leadership>;
  readonly reload: Action<object, { message: string }>;
  readonly status: Action<object, Status>;
}

interface Action<Asked, Answered> {
  readonly asked: Asked;
  readonly answered: Answered;
}

export type ActionName = keyof Actions;
export type Request<A extends ActionName = ActionName> = { [N in A]: { action: N } & Actions[N]['asked'] }[A];
export type Refusal = { success: false; error: string };
export type Answer<A extends ActionName = ActionName> = ({ success: true } & Actions[A]['answered']) | Refusal;

export interface FeatureServers {
  readonly servers: readonly FeatureServerRow[];
  /** Every drained ip, orphaned ones included. */
  readonly drained: readonly string[];
  /** The sidecar's clock when it answered, milliseconds since the epoch. */
  readonly now: number;
}

export interface FeatureServerRow {
  /** `ip:port`; the bare ip of one that is drained and does not check in. */
  readonly server: string;
  readonly status: 'active' | 'drained' | 'orphaned';
  /** As it said at its last check-in; null when it did not say. */
  readonly calls: number | null;
  /** Milliseconds since the epoch; null when it never was. */
  readonly lastCheckIn: number | null;
  readonly serviceUrl: string | null;
}

/** One sidecar of a cluster acts outwards. */
export interface Leadership {
  /** Whether it is the one that answers. */
  readonly leading: boolean;
  /** How the one that does calls itself; null when nobody does or the store does not answer. */
  readonly holder: string | null;
}

export interface Trunks extends Leadership {
  readonly trunks: readonly TrunkRow[];
  /** Those that are not registered, and why. */
  readonly skipped: readonly { readonly carrier: string; readonly gateway: string; readonly why: string }[];
  readonly now: number;
}

/** A registration at a carrier's gateway. Times are milliseconds since the epoch. */
export interface TrunkRow {
  readonly carrier: string;
  readonly carrierSid: string;
  /** sip_gateway_sid, which is its Call-ID too. */
  readonly gateway: string;
  readonly host: string;
  readonly port: number | null;
  readonly transport: string;
  readonly realm: string;
  readonly username: string;
  readonly trunkType: string;
  readonly state: string;
  readonly since: number;
  /** Until when the carrier has us. */
  readonly expiresAt: number | null;
  /** The last answer, or what went wrong. */
  readonly lastReason: string | null;
  readonly nextTryAt: number | null;
  /** In a row. */
  readonly failures: number;
  readonly cseq: number;
}

/** A gateway that is pinged. */
export interface GatewayRow {
  readonly carrier: string;
  readonly gateway: string;
  readonly host: string;
  readonly port: number | null;
  readonly transport: string;
  readonly state: 'up' | 'down' | 'unknown';
  /** Milliseconds since the epoch. */
  readonly since: number | null;
  readonly lastAnswer: string | null;
  /** Milliseconds since the epoch. */
  readonly lastAnswerAt: number | null;
  readonly rttMs: number | null;
}

/** What the embedded edge holds now, and what it has counted since its start. */
export interface EdgeStatus {
  readonly connections: number;
  readonly requestsUnderWay: number;
  readonly keptBytes: number;
  readonly serverTransactions: number;
  readonly clientTransactions: number;
  readonly requests: number;
  readonly retransmissions: number;
  readonly refused: number;
  readonly responses: number;
  readonly malformed: number;
  readonly dropped: number;
}

export interface Status {
  readonly version: string;
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly now: number;
  /** Whether everything it depends on has answered and it takes requests. */
  readonly ready: boolean;
  readonly sip: {
    readonly server: 'drachtio' | 'embedded';
    readonly connected: boolean;
    /** All addresses, comma-separated, as `udp/192.0.2.1:5060`. */
    readonly hostports: string;
  };
  /** null beside a drachtio server, which keeps its own. */
  readonly edge: EdgeStatus | null;
  readonly store: 'redis' | 'sqlite';
  readonly directory: 'mysql' | 'sqlite';
  readonly clusterId: string;
  /** null while the store does not answer. */
  readonly featureServers: { readonly active: number; readonly drained: number } | null;
  readonly rtpServers: number | null;
  readonly outbound: Leadership & {
    /** Of this sidecar; none while another one leads. */
    readonly trunks: { readonly total: number; readonly registered: number };
    readonly gateways: { readonly up: number; readonly down: number; readonly unknown: number };
  };
}
