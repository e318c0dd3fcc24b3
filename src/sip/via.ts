import { formatParams, type Param, param, parseParams } from './params.ts';
import { Cursor, TOKEN } from './syntax.ts';

/** One value of a Via header (RFC 3261 20.42): a hop of the request, to which its response goes back. */
export interface Via {
  /** `UDP`, `TCP`, `TLS`, `WS` …, in upper case. */
  readonly protocol: string;
  /** The host of sent-by as written; an IPv6 address in its brackets. */
  readonly host: string;
  /** The port of sent-by; the default of the protocol without one. */
  readonly port?: number;
  readonly params: readonly Param[];
}

/** RFC 3261 8.1.1.7: a branch that begins so identifies its transaction. */
export const MAGIC_COOKIE = 'z9hG4bK';

/** Max-Forwards starts at 70. */
const MAX_VIAS = 70;
const SENT_PROTOCOL_AND_BY = new RegExp(
  String.raw`SIP\s*/\s*2\.0\s*/\s*(${TOKEN})\s+(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?:\s*:\s*(\d{1,5})(?!\d))?`,
  'iy',
);

/** Parses one header line, which may hold several values. @throws SipSyntaxError */
export function parseVias(value: string): [Via, ...Via[]] {
  const cursor = new Cursor(value);
  const vias: [Via, ...Via[]] = [readVia(cursor)];
  while (cursor.take(',')) {
    if (vias.length === MAX_VIAS) cursor.fail('too many values');
    vias.push(readVia(cursor));
  }
  cursor.skipSpace();
  if (!cursor.done) cursor.fail('unexpected text');
  return vias;
}

/** The inverse of {@link parseVias} for one value. */
export function formatVia({ protocol, host, port, params }: Via): string {
  return `SIP/2.0/${protocol} ${host}${port === undefined ? '' : `:${port}`}${formatParams(params)}`;
}

/** The branch parameter; '' when there is none, as RFC 2543 allowed. */
export function branchOf({ params }: Via): string {
  return param(params, 'branch') ?? '';
}

/**
 * Writes the source of a request into its top Via. `received` is added when it differs from sent-by (RFC 3261 18.2.1)
 * or when the client asked for `rport` (RFC 3581 4). `rport` is always filled in, because responses go back to the source
 * of the request: most phones are behind a NAT and half of them do not ask for it.
 */
export function withSource(via: Via, address: string, port: number): Via {
  const asked = param(via.params, 'rport') === '';
  const differs = via.host !== address && via.host !== `[${address}]`;
  // The client's own claims about its source are dropped.
  const params = via.params.flatMap((p): Param[] => {
    if (p.name === 'received') return [];
    if (p.name === 'rport') return [{ name: 'rport', value: String(port) }];
    return [p];
  });
  const hasRport = params.some((p) => p.name === 'rport');
  if (asked || differs) params.push({ name: 'received', value: address });
  if (!hasRport) params.push({ name: 'rport', value: String(port) });
  return { ...via, params };
}

function readVia(cursor: Cursor): Via {
  cursor.skipSpace();
  SENT_PROTOCOL_AND_BY.lastIndex = cursor.at;
  const [, protocol, host, portText] = SENT_PROTOCOL_AND_BY.exec(cursor.text) ?? [];
  if (protocol === undefined || host === undefined) return cursor.fail('sent-protocol and sent-by expected');
  cursor.at = SENT_PROTOCOL_AND_BY.lastIndex;
  const port = portText === undefined ? undefined : Number(portText);
  if (port !== undefined && (port < 1 || port > 65535)) cursor.fail('port out of range');
  const params = parseParams(cursor);
  return { protocol: protocol.toUpperCase(), host, ...(port !== undefined && { port }), params };
}
