import { LruCache } from '../lib/lru-cache.ts';
import type { Clock } from '../lib/timers.ts';
import { networkOf } from '../sip/ip.ts';

const MINUTE_MS = 60_000;
/** Wrong answers for an AOR in a minute, beyond which only sources that are known to it may answer. */
const MAX_WRONG_ANSWERS = 100;
/** How long a source that has registered an AOR is known to it, milliseconds. */
const KNOWN_MS = 86_400_000;
/** Pairs of AOR and source, some 150 bytes each. */
const MAX_KNOWN = 100_000;
/** AORs whose wrong answers are counted, as many as in the store; the one guessed at last longest ago is forgotten first. */
const MAX_GUESSED = 10_000;
/** Nonces with wrong answers, some 230 bytes each. Rotating more of them spares an attacker one challenge in four guesses. */
const MAX_WRONG_NONCES = 10_000;
const MAX_WRONG_PER_NONCE = 3;

/** Wrong answers to challenges, by AOR and by nonce, and the sources from which each AOR was registered. AORs are `user@realm`. */
export class Guesses {
  /** By AOR, in this minute. */
  readonly #byAor = new LruCache<number>(MAX_GUESSED);
  #minute = 0;
  readonly #byNonce = new LruCache<number>(MAX_WRONG_NONCES);
  /** Kept apart from what unauthenticated sources cause, so that they cannot evict an authenticated one. */
  readonly #known = new LruCache<number>(MAX_KNOWN);

  constructor(private readonly clock: Clock) {}

  wrong(aor: string): void {
    this.#turnMinute();
    this.#byAor.set(aor, (this.#byAor.get(aor) ?? 0) + 1);
  }

  /** @returns whether the nonce has now had as many wrong answers as it may, for the first time */
  wrongWith(nonceId: string): boolean {
    const count = (this.#byNonce.get(nonceId) ?? 0) + 1;
    this.#byNonce.set(nonceId, count);
    return count === MAX_WRONG_PER_NONCE;
  }

  isSpent(nonceId: string): boolean {
    return (this.#byNonce.get(nonceId) ?? 0) >= MAX_WRONG_PER_NONCE;
  }

  mayAnswer(aor: string, address: string): boolean {
    this.#turnMinute();
    if ((this.#byAor.get(aor) ?? 0) < MAX_WRONG_ANSWERS) return true;
    const at = this.#known.get(knownKey(aor, address));
    return at !== undefined && this.clock.now() - at < KNOWN_MS;
  }

  succeeded(aor: string, address: string): void {
    this.#known.set(knownKey(aor, address), this.clock.now());
  }

  /** Takes over what the cluster has counted in this minute. */
  adopt(wrongAnswers: ReadonlyMap<string, number>): void {
    this.#turnMinute();
    for (const [aor, count] of wrongAnswers) this.#byAor.set(aor, Math.max(count, this.#byAor.get(aor) ?? 0));
  }

  /** The number of AORs for which only known sources may answer. */
  get closedAors(): number {
    this.#turnMinute();
    let closed = 0;
    for (const count of this.#byAor.values()) if (count >= MAX_WRONG_ANSWERS) closed++;
    return closed;
  }

  #turnMinute(): void {
    const minute = Math.floor(this.clock.now() / MINUTE_MS);
    if (minute === this.#minute) return;
    this.#minute = minute;
    this.#byAor.clear();
  }
}

function knownKey(aor: string, address: string): string {
  return `${aor} ${networkOf(address)}`;
}
