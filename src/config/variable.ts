import { readFileSync } from 'node:fs';
import { BlockList, isIP, isIPv4 } from 'node:net';
import { normalIp, unbracketed } from '../sip/ip.ts';
import type { Endpoint } from '../sip/message.ts';

/** One environment variable: a row of the table in variables.ts. */
export interface Variable<T> {
  readonly name: string;
  /** The kind of value, for the documentation: `port`, `ms`, `comma-separated list` … */
  readonly kind: string;
  /** The value when the variable is unset or empty. */
  readonly fallback: T;
  readonly meaning: string;
  /** Its value is never shown. */
  readonly secret: boolean;
  /** @throws BadValue */
  parse(text: string): T;
  /** The fallback as written in the environment; '' for none. */
  readonly fallbackText: string;
}

/** A value is not valid; the message continues the variable's name: `must be …`. */
export class BadValue extends Error {
  override readonly name = 'BadValue';
}

/** Ends of the names of secrets. */
const SECRET = /(PASSWORD|SECRET|TOKEN)$/;

type Range = { readonly min: number; readonly max?: number; readonly unit?: string };

export const seconds = { min: 0, max: 2 ** 32 - 1, unit: 's' } as const;
export const milliseconds = { min: 1, unit: 'ms' } as const;

export function text(name: string, meaning: string, fallback = ''): Variable<string> {
  return variable(name, 'text', fallback, fallback, meaning, (value) => value);
}

/** The value of a header field, without control characters (RFC 9110 5.5); '' when not set. */
export function fieldValue(name: string, meaning: string): Variable<string> {
  return variable(name, 'text', '', '', meaning, (value) => {
    if (!/\p{Cc}/u.test(value)) return value;
    throw new BadValue('must have no control characters, such as line breaks');
  });
}

/** What clients prove themselves with; '' when not set. Sent in a header field, so it is visible ASCII. */
export function token(name: string, meaning: string): Variable<string> {
  return variable(name, 'text', '', '', meaning, (value) => {
    if (/^[!-~][ -~]{14,}[!-~]$/.test(value)) return value;
    throw new BadValue('must have at least 16 characters, of ASCII, and neither begin nor end with a space');
  });
}

export function integer(name: string, meaning: string, fallback: number, range: Range): Variable<number> {
  const max = range.max ?? 2 ** 31 - 1;
  return variable(name, range.unit ?? 'number', fallback, String(fallback), meaning, (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= range.min && number <= max) return number;
    throw new BadValue(`must be a whole number from ${range.min} to ${max}, not ${shown(value)}`);
  });
}

export function fraction(name: string, meaning: string, fallback: number): Variable<number> {
  return variable(name, 'number', fallback, String(fallback), meaning, (value) => {
    const number = Number(value);
    if (number >= 0 && number <= 1) return number;
    throw new BadValue(`must be a number from 0 to 1, not ${shown(value)}`);
  });
}

/** 0 when not set. */
export function port(name: string, meaning: string, fallback = 0): Variable<number> {
  return variable(name, 'port', fallback, fallback === 0 ? '' : String(fallback), meaning, parsePort);
}

export function flag(name: string, meaning: string, fallback = false): Variable<boolean> {
  return variable(name, 'on/off', fallback, fallback ? 'on' : 'off', meaning, (value) => {
    const on = onOrOff(value);
    if (on !== undefined) return on;
    throw new BadValue(`must be 1 or 0, not ${shown(value)}`);
  });
}

/** Off by default, and has a third state besides on and off. */
export function flagOr<const T extends string>(name: string, meaning: string, third: T): Variable<boolean | T> {
  return variable<boolean | T>(name, `on/off, ${third}`, false, 'off', meaning, (value) => {
    const on = value.toLowerCase() === third ? third : onOrOff(value);
    if (on !== undefined) return on;
    throw new BadValue(`must be 1, 0 or ${third}, not ${shown(value)}`);
  });
}

function onOrOff(value: string): boolean | undefined {
  if (/^(1|true|on|yes)$/i.test(value)) return true;
  return /^(0|false|off|no)$/i.test(value) ? false : undefined;
}

export function choice<const T extends string>(
  name: string,
  meaning: string,
  words: readonly T[],
  fallback: T,
): Variable<T> {
  return variable(name, words.join(', '), fallback, fallback, meaning, (value) => {
    const word = words.find((w) => w === value.toLowerCase());
    if (word !== undefined) return word;
    throw new BadValue(`must be one of ${words.join(', ')}, not ${shown(value)}`);
  });
}

/** A comma-separated list; `item` parses each item. */
export function list<T>(
  name: string,
  meaning: string,
  fallback: string,
  item: (text: string) => T,
): Variable<readonly T[]> {
  const parse = (value: string) =>
    value
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map(item);
  return variable(name, 'comma-separated list', parse(fallback), fallback, meaning, parse);
}

/** A host name or an IP address; '' when not set, unless there is a fallback. */
export function host(name: string, meaning: string, fallback = ''): Variable<string> {
  return variable(name, 'host', fallback, fallback, meaning, (value) => {
    if (!/[/@\s]/.test(value)) return value;
    throw new BadValue(`must be a name or an address, not ${shown(value)}`);
  });
}

/** The path of a readable file; '' when not set. */
export function file(name: string, meaning: string): Variable<string> {
  return variable(name, 'file', '', '', meaning, readableFile);
}

/** An IP address; '' when not set. */
export function address(name: string, meaning: string): Variable<string> {
  return variable(name, 'IP address', '', '', meaning, (value) => {
    if (isIP(value) !== 0) return value;
    throw new BadValue(`must be an IP address, not ${shown(value)}`);
  });
}

// --- List items ---

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export function hostPort(fallbackPort: number): (text: string) => HostPort {
  return (value) => {
    const [, host, portText] = /^(\[[^\]]+\]|[^:[\]]+)(?::(\d+))?$/.exec(value) ?? [];
    if (host === undefined) throw new BadValue(`must be host:port, not ${shown(value)}`);
    return { host: unbracketed(host), port: portText === undefined ? fallbackPort : parsePort(portText) };
  };
}

export function readableFile(value: string): string {
  // A key in place of its file must not be repeated.
  if (value.includes('-----BEGIN')) throw new BadValue('must be the path of a file, not its content');
  try {
    readFileSync(value);
  } catch (error) {
    throw new BadValue(`cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  return value;
}

const PROTOCOLS = ['udp', 'tcp', 'tls', 'ws', 'wss'] as const;

export interface ListenAddress {
  readonly proto: (typeof PROTOCOLS)[number];
  /** An IP address, IPv6 without brackets. */
  readonly host: string;
  /** 0: a free port. */
  readonly port: number;
}

/** The end at which an address receives; WebSocket counts as what is below it. */
export function endpointOf({ proto, host, port }: ListenAddress): Endpoint {
  const transport = proto === 'ws' ? 'tcp' : proto === 'wss' ? 'tls' : proto;
  return { transport, address: host, port };
}

export function listenAddress(value: string): ListenAddress {
  const [, name, host, portText] = /^([a-z]+)\/(\[[^\]]+\]|[^:[\]]+):(\d{1,5})$/.exec(value) ?? [];
  const ip = unbracketed(host ?? '');
  const number = Number(portText);
  if (name === undefined || isIP(ip) === 0 || number > 65535)
    throw new BadValue(`must be <proto>/<ip>:<port>, for instance udp/127.0.0.1:5060, not ${shown(value)}`);
  const proto = PROTOCOLS.find((p) => p === name);
  if (proto === undefined) throw new BadValue(`knows ${PROTOCOLS.join(', ')}, not ${shown(name)}`);
  return { proto, host: ip, port: number };
}

const TRANSPORTS = ['udp', 'tcp', 'tls'] as const;

/** A listener of the SIP server, by its address and, when they are given, transport and port. */
export interface ListenerName {
  readonly text: string;
  /** @param listener with the address as bound */
  matches(listener: Endpoint): boolean;
}

export function listenerName(value: string): ListenerName {
  const [, name, ipv6, ipv4, portText] = /^(?:([a-z]+)\/)?(?:\[([^\]]+)\]|([\d.]+))(?::(\d+))?$/.exec(value) ?? [];
  const address = isIP(ipv6 ?? '') === 6 || isIP(ipv4 ?? '') === 4 ? normalIp(ipv6 ?? ipv4 ?? '') : undefined;
  if (address === undefined)
    throw new BadValue(`must be addresses such as 10.0.0.5, udp/10.0.0.5:5060 or [fd00::5]:5060, not ${shown(value)}`);
  const transport = TRANSPORTS.find((t) => t === name);
  if (name !== undefined && transport === undefined)
    throw new BadValue(`knows ${TRANSPORTS.join(', ')}, not ${shown(name)}`);
  const port = portText === undefined ? undefined : parsePort(portText);
  return {
    text: value,
    matches: (listener) =>
      normalIp(listener.address) === address &&
      (transport === undefined || listener.transport === transport) &&
      (port === undefined || listener.port === port),
  };
}

export function sipCode(value: string): number {
  if (/^[1-6]\d\d$/.test(value)) return Number(value);
  throw new BadValue(`must be SIP status codes, not ${shown(value)}`);
}

export interface Network {
  readonly text: string;
  contains(address: string): boolean;
}

export function network(value: string): Network {
  const [base = '', prefix, more] = value.split('/');
  const family = isIP(base);
  const bits =
    prefix === undefined ? (family === 4 ? 32 : 128) : Number(/^\d{1,3}$/.test(prefix) ? prefix : Number.NaN);
  if (family === 0 || more !== undefined || !(bits <= (family === 4 ? 32 : 128)))
    throw new BadValue(`must be networks such as 10.0.0.0/8, not ${shown(value)}`);
  const blocks = new BlockList();
  blocks.addSubnet(base, bits, family === 4 ? 'ipv4' : 'ipv6');
  return {
    text: value,
    contains: (other) => isIP(other) === family && blocks.check(other, isIPv4(other) ? 'ipv4' : 'ipv6'),
  };
}

export function word<const T extends string>(words: readonly T[]): (text: string) => T {
  return (value) => {
    const found = words.find((w) => w.toLowerCase() === value.toLowerCase());
    if (found !== undefined) return found;
    throw new BadValue(`must be of ${words.join(', ')}, not ${shown(value)}`);
  };
}

function parsePort(value: string): number {
  const number = /^\d{1,5}$/.test(value) ? Number(value) : 0;
  if (number >= 1 && number <= 65535) return number;
  throw new BadValue(`must be a port from 1 to 65535, not ${shown(value)}`);
}

function variable<T>(
  name: string,
  kind: string,
  fallback: T,
  fallbackText: string,
  meaning: string,
  parse: (text: string) => T,
): Variable<T> {
  return { name, kind, fallback, fallbackText, meaning, secret: SECRET.test(name), parse };
}

/** Without the userinfo of a URL. */
function shown(value: string): string {
  const text = value.replace(/^.*@/s, '…@');
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
