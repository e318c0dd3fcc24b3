import type { Header } from '../sip/message.ts';
import { MAGIC_COOKIE } from '../sip/via.ts';

/** A tag for From or To: "globally unique and cryptographically random with at least 32 bits" (RFC 3261 19.3). */
export function newTag(): string {
  return hexDigits(12);
}

/** A branch that no other request ever has (RFC 3261 8.1.1.7). */
export function newBranch(): string {
  return MAGIC_COOKIE + hexDigits(20);
}

export function newId(): string {
  return crypto.randomUUID();
}

/** One after the other, and above those of a former life of this process, so that a registration goes on counting. */
export function cseqNumbers(now: () => number): () => number {
  let last = 0;
  // Seconds since 2020 stay below the 2**31 of RFC 3261 8.1.1.5 until 2088.
  return () => {
    last = Math.max(last + 1, Math.floor(now() / 1000) - 1_577_836_800);
    return last;
  };
}

/** Skips the digits of a UUID that are not random. */
function hexDigits(length: number): string {
  const uuid = crypto.randomUUID();
  return (uuid.slice(0, 8) + uuid.slice(9, 13) + uuid.slice(24)).slice(0, length);
}

/**
 * A tag for an answer that no transaction remembers: the same for every copy of its request (RFC 3261 8.2.7), and
 * another one after a restart.
 */
export function statelessTag(request: readonly Header[]): string {
  const text = request.map(({ name, value }) => (ECHOED.has(name) ? value : '')).join();
  return Bun.hash(text, SEED).toString(36);
}

const ECHOED = new Set(['Via', 'From', 'To', 'Call-ID', 'CSeq']);
const SEED = Math.floor(Math.random() * 2 ** 32);
