import type { Header } from '../sip/message.ts';
import { MAGIC_COOKIE } from '../sip/via.ts';

/** A tag for From or To: "globally unique and cryptographically random with at least 32 bits" (RFC 3261 19.3). */
export function newTag(): string {
  return hexDigits(12);
}

export function newBranch(): string {
  return MAGIC_COOKIE + hexDigits(20);
}

export function newId(): string {
  return crypto.randomUUID();
}

/** Increasing CSeq numbers, above those of the previous process, as a registration across a restart requires. */
export function cseqNumbers(now: () => number): () => number {
  let last = 0;
  // Seconds since 2020 stay below 2**31 (RFC 3261 8.1.1.5) until 2088.
  return () => {
    last = Math.max(last + 1, Math.floor(now() / 1000) - 1_577_836_800);
    return last;
  };
}

/** Random digits of a UUID, without its version and variant. */
function hexDigits(length: number): string {
  const uuid = crypto.randomUUID();
  return (uuid.slice(0, 8) + uuid.slice(9, 13) + uuid.slice(24)).slice(0, length);
}

/** The To tag of a stateless response: the same for every retransmission (RFC 3261 8.2.7), until a restart. */
export function statelessTag(request: readonly Header[]): string {
  const text = request.map(({ value }) => value).join();
  return Bun.hash(text, SEED).toString(36);
}

const SEED = Math.floor(Math.random() * 2 ** 32);
