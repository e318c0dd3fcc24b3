import { isIP, isIPv6 } from 'node:net';

/**
 * The normal form of an address: IPv6 compressed and in lower case (RFC 5952), IPv4-mapped IPv6 as IPv4.
 * @returns undefined when it is no IP address
 */
export function normalIp(text: string): string | undefined {
  const family = isIP(text);
  if (family === 4) return text;
  // No zone: it would mean nothing on another machine.
  if (family !== 6 || text.includes('%')) return undefined;
  const ip = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(ip) ?? [];
  if (high === undefined || low === undefined) return ip;
  const words = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return words.flatMap((word) => [word >> 8, word & 255]).join('.');
}

/** 4 or 6. @param ip an address, IPv6 without brackets */
export function familyOf(ip: string): 4 | 6 {
  return isIPv6(ip) ? 6 : 4;
}

/** A host as URIs and Via write it: an IPv6 address in brackets, anything else as it is (RFC 3261 25.1, host). */
export function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}

/** The inverse of {@link bracketed}: a host without the brackets of an IPv6 address. */
export function unbracketed(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}

/**
 * What one host may use of the address space: an IPv4 address, or the /64 of an IPv6 address (RFC 4291 2.5.4), such as
 * `2001:db8:0:1::/64`.
 */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [before = '', after] = address.split('::');
  const groups = before === '' ? [] : before.split(':');
  const trailing = after === undefined || after === '' ? [] : after.split(':');
  // A dotted IPv4 part is two groups, but never among the first four.
  const zeros =
    after === undefined ? [] : new Array<string>(Math.max(0, 8 - groups.length - trailing.length)).fill('0');
  const network = [...groups, ...zeros, ...trailing].slice(0, 4).join(':');
  return `${network.replace(/(:0)+$/, '')}::/64`;
}

export function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1';
}

/** Whether only this machine reaches a listener at a host. @param host an address, or a name as resolvers have it */
export function isLocalHost(host: string): boolean {
  const ip = normalIp(host);
  return ip === undefined ? host.toLowerCase() === 'localhost' : isLoopback(ip);
}

/** `10.0.0.1:5060`, `[2001:db8::1]:5060`. */
export function joinHostPort(ip: string, port: number): string {
  return `${bracketed(ip)}:${port}`;
}

/**
 * The address in `ip`, `[ip]`, `ip:port` or `[ip]:port`, in its normal form.
 * @returns undefined when there is none
 */
export function ipOf(text: string): string | undefined {
  const whole = normalIp(text);
  if (whole !== undefined) return whole;
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (port !== undefined && Number(port) > 65_535) return undefined;
  const ip = bracketed ?? plain;
  if (ip === undefined || (bracketed !== undefined) !== ip.includes(':')) return undefined;
  return normalIp(ip);
}
