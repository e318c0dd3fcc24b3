import { isIPv4, isIPv6 } from 'node:net';

/** An IPv4 address inside an IPv6 one (RFC 4291 2.5.5.2), as `canonicalIp` has them by then. */
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/**
 * One text for all spellings of an address: IPv6 as RFC 5952 writes it, without brackets and zone; IPv4 inside IPv6 as
 * IPv4. What is no address comes back as it is.
 */
export function canonicalIp(text: string): string {
  const bare = text.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  if (isIPv4(bare)) return bare;
  if (!isIPv6(bare)) return text;
  const canonical = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const [, high, low] = MAPPED.exec(canonical) ?? [];
  if (high === undefined || low === undefined) return canonical;
  const bits = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return bits.flatMap((n) => [n >> 8, n & 255]).join('.');
}
