import { normalIp, unbracketed } from './ip.ts';
import { formatParams, type Param, param } from './params.ts';
import { Cursor, TOKEN } from './syntax.ts';

/** One value of a Via header (RFC 3261 20.42): a hop of the request, to which its response goes back. */
export interface Via {
  /** `UDP`, `TCP`, `TLS`, `WS` …, in upper case. */
  readonly protocol: string;
  /** The host of sent-by as written; an IPv6 address in its brackets. */
  readonly host: string;
  /** The port of sent-by; undefined without one, or when the number is no port. */
  readonly port?: number;
  readonly params: readonly Param[];
}

/** A value that was parsed. A response repeats it as it was written, so its text is kept. */
export interface ReceivedVia extends Via {
  /** The value without its `received` and `rport`. */
  readonly text: string;
  /** Where in the text `rport` stood. */
  readonly rportAt?: number;
  /** Index in the line after the value. */
  readonly end: number;
}

/** RFC 3261 8.1.1.7: a branch that begins so identifies its transaction. */
export const MAGIC_COOKIE = 'z9hG4bK';

/** Max-Forwards starts at 70. */
const MAX_VIAS = 70;
const SENT_PROTOCOL_AND_BY = new RegExp(
  String.raw`SIP\s*/\s*2\.0\s*/\s*(${TOKEN})\s+(\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[A-Za-z0-9._-]+)(?:\s*:\s*(\d+))?`,
  'iy',
);
/** Wider than via-params of RFC 3261 25.1: only the client has to understand them, and some write a branch in Base64. */
const PARAM = /\s*;\s*([^\s;,="]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?/y;
const MAX_PARAMS = 32;

/** Parses one header line, which may hold several values. @throws SipSyntaxError */
export function parseVias(value: string): [ReceivedVia, ...ReceivedVia[]] {
  const cursor = new Cursor(value);
  const vias: [ReceivedVia, ...ReceivedVia[]] = [readVia(cursor)];
  while (cursor.take(',')) {
    if (vias.length === MAX_VIAS) cursor.fail('too many values');
    vias.push(readVia(cursor));
  }
  cursor.skipSpace();
  if (!cursor.done) cursor.fail('unexpected text');
  return vias;
}

/** A value as text. */
export function formatVia({ protocol, host, port, params }: Via): string {
  return `SIP/2.0/${protocol} ${host}${port === undefined ? '' : `:${port}`}${formatParams(params)}`;
}

/** The branch parameter; '' when there is none, as RFC 2543 allowed. */
export function branchOf({ params }: Via): string {
  return param(params, 'branch') ?? '';
}

/**
 * The port to which a response by UDP goes: the source port of the request, as most phones are behind a NAT and half of
 * them do not ask for it (RFC 3581). A client whose sent-by is its very source address listens where that says
 * (RFC 3261 18.2.2).
 */
export function responsePort({ host, port = 5060, params }: Via, address: string, sourcePort: number): number {
  return isHost(host, address) && param(params, 'rport') === undefined ? port : sourcePort;
}

/**
 * Writes the source of a request into the first value of its Via line and leaves all else as it is. `received` is added
 * when it differs from sent-by (RFC 3261 18.2.1) or when the client asked for `rport` (RFC 3581 4). `rport` is filled in
 * wherever the response goes to the source port, asked for or not. The client's own claims about its source are dropped.
 */
export function withSource(line: string, via: ReceivedVia, address: string, port: number, reliable: boolean): string {
  const { text, rportAt, host, params, end } = via;
  const received = param(params, 'rport') === '' || !isHost(host, address) ? `;received=${address}` : '';
  const rport = reliable || responsePort(via, address, port) === port ? `;rport=${port}` : '';
  if (rportAt === undefined) return text + received + rport + line.slice(end);
  return text.slice(0, rportAt) + rport + text.slice(rportAt) + received + line.slice(end);
}

function isHost(host: string, address: string): boolean {
  if (host === address || host === `[${address}]`) return true;
  // Two spellings of one IPv6 address.
  return host.startsWith('[') && address.includes(':') && normalIp(unbracketed(host)) === address;
}

function readVia(cursor: Cursor): ReceivedVia {
  cursor.skipSpace();
  const { text: line, at: start } = cursor;
  SENT_PROTOCOL_AND_BY.lastIndex = start;
  const [, protocol, host, digits] = SENT_PROTOCOL_AND_BY.exec(line) ?? [];
  if (protocol === undefined || host === undefined) return cursor.fail('sent-protocol and sent-by expected');
  let end = SENT_PROTOCOL_AND_BY.lastIndex;
  let text = line.slice(start, end);
  let rportAt: number | undefined;
  const params: Param[] = [];
  for (PARAM.lastIndex = end; ; end = PARAM.lastIndex) {
    const [param, name = '', quoted, value] = PARAM.exec(line) ?? [];
    if (param === undefined) break;
    if (params.length === MAX_PARAMS) cursor.fail('too many parameters');
    params.push(paramOf(name.toLowerCase(), quoted, value));
    if (name.toLowerCase() === 'rport') rportAt ??= text.length;
    else if (name.toLowerCase() !== 'received') text += param;
  }
  cursor.at = end;
  const port = digits === undefined ? 0 : Number(digits);
  return {
    protocol: protocol.toUpperCase(),
    host,
    ...(port > 0 && port < 65_536 && { port }),
    params,
    text,
    ...(rportAt !== undefined && { rportAt }),
    end,
  };
}

function paramOf(name: string, quoted: string | undefined, value: string | undefined): Param {
  if (quoted !== undefined) return { name, value: quoted.replace(/\\(.)/g, '$1'), quoted: true };
  return value === undefined ? { name } : { name, value };
}
