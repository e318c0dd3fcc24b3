import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';

/** Bytes, compressed or not; a reply holds a few fields about one user. */
export const MAX_BODY = 64 * 1024;

/** Some web servers compress although we do not ask for it (RFC 9110 8.4.1). */
const DECODERS = new Map([
  ['', (body: Buffer) => body],
  ['identity', (body: Buffer) => body],
  ['gzip', (body: Buffer) => gunzipSync(body, { maxOutputLength: MAX_BODY })],
  ['x-gzip', (body: Buffer) => gunzipSync(body, { maxOutputLength: MAX_BODY })],
  ['deflate', (body: Buffer) => inflateSync(body, { maxOutputLength: MAX_BODY })],
  ['br', (body: Buffer) => brotliDecompressSync(body, { maxOutputLength: MAX_BODY })],
]);

/**
 * The text of a response body.
 * @param encoding its Content-Encoding
 * @returns undefined when it cannot be decoded, or is too long then
 */
export function readBody(body: Buffer, encoding = ''): string | undefined {
  const decode = DECODERS.get(encoding.toLowerCase());
  try {
    return decode?.(body).toString();
  } catch {
    return undefined; // node:zlib throws for what is corrupt or too long
  }
}
