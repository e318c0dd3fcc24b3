import { hash, timingSafeEqual } from 'node:crypto';
import type { Credentials } from './credentials.ts';

/** The algorithms of RFC 8760 by their names in a challenge, weakest first. */
export const ALGORITHMS = ['MD5', 'SHA-256', 'SHA-512-256'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

const HASHES: Record<Algorithm, string> = { MD5: 'md5', 'SHA-256': 'sha256', 'SHA-512-256': 'sha512-256' };

/** The algorithm of credentials; undefined when it is not supported. */
export function algorithmOf(credentials: Credentials): Algorithm | undefined {
  return algorithmNamed(credentials.algorithm);
}

/** @param parameter of credentials or a challenge; MD5 when absent (RFC 7616 3.4) */
export function algorithmNamed(parameter: string | undefined): Algorithm | undefined {
  const name = (parameter ?? 'MD5').toUpperCase();
  return ALGORITHMS.find((a) => a === name);
}

/** The expected response in lower-case hex: RFC 7616 3.4.1, or RFC 2069 2.1.2 without qop. */
export function digestResponse(
  algorithm: Algorithm,
  { username, realm, nonce, uri, qop }: Omit<Credentials, 'response'> & { readonly response?: string },
  password: string,
  method: string,
): string {
  const h = (text: string) => hash(HASHES[algorithm], text, 'hex');
  const ha1 = h(`${username}:${realm}:${password}`);
  const ha2 = h(`${method}:${uri}`);
  return h(qop ? `${ha1}:${nonce}:${qop.nc}:${qop.cnonce}:auth:${ha2}` : `${ha1}:${nonce}:${ha2}`);
}

/**
 * Whether the response matches the password. Takes constant time, also for a user that does not exist (password
 * undefined).
 */
export function responseMatches(
  algorithm: Algorithm,
  credentials: Credentials,
  password: string | undefined,
  method: string,
): boolean {
  const expected = Buffer.from(digestResponse(algorithm, credentials, password ?? '', method));
  const given = Buffer.from(credentials.response.toLowerCase());
  const equal = given.length === expected.length && timingSafeEqual(given, expected);
  return equal && password !== undefined;
}
