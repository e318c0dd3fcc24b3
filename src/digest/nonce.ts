import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { LruCache } from '../lib/lru-cache.ts';
import type { Clock } from '../lib/timers.ts';

const TIME_BYTES = 6;
const ID_BYTES = TIME_BYTES + 10;
const MAC_BYTES = 16;

/** How far the clock of another sidecar may be ahead of ours, milliseconds. */
const MAX_AHEAD_MS = 60_000;
/** Nonces whose last nonce-count is remembered here, some 100 bytes each. */
const MAX_USED = 50_000;

export type NonceState =
  /** `id`: key under which the store counts its uses; times in milliseconds since the epoch. */
  | { readonly state: 'fresh'; readonly id: string; readonly issuedAt: number; readonly expiresAt: number }
  | { readonly state: 'expired' }
  /** Not issued by a sidecar with our secret, or for another realm. */
  | { readonly state: 'foreign' };

interface Use {
  readonly id: string;
  readonly count: number;
}

/**
 * Issues and validates nonces without storing them: time and randomness, authenticated by an HMAC. Sidecars that share
 * a secret accept each other's nonces. A nonce is valid for one realm.
 */
export class Nonces {
  readonly #key: Buffer;
  /** Highest nonce-count by id, in case the store loses it. */
  readonly #used: LruCache<number>;

  /** @param secret the HMAC key is derived from it @param ttl lifetime of a nonce, milliseconds */
  constructor(
    secret: string,
    private readonly ttl: number,
    private readonly clock: Clock,
  ) {
    this.#key = Buffer.from(hkdfSync('sha256', secret, '', 'sbc-sip-sidecar digest nonce', 32));
    this.#used = new LruCache(MAX_USED);
  }

  create(realm: string): string {
    const id = Buffer.allocUnsafe(ID_BYTES);
    id.writeUIntBE(this.clock.now(), 0, TIME_BYTES);
    randomBytes(ID_BYTES - TIME_BYTES).copy(id, TIME_BYTES);
    return Buffer.concat([id, this.#mac(id, realm)]).toString('base64url');
  }

  check(nonce: string, realm: string): NonceState {
    const bytes = Buffer.from(nonce, 'base64url');
    // Base64 encodes the same bytes in several ways, each of which would have its own nonce-count.
    if (bytes.length !== ID_BYTES + MAC_BYTES || bytes.toString('base64url') !== nonce) return { state: 'foreign' };
    const id = bytes.subarray(0, ID_BYTES);
    if (!timingSafeEqual(bytes.subarray(ID_BYTES), this.#mac(id, realm))) return { state: 'foreign' };
    const issuedAt = id.readUIntBE(0, TIME_BYTES);
    const expiresAt = issuedAt + this.ttl;
    const now = this.clock.now();
    if (expiresAt <= now || issuedAt > now + MAX_AHEAD_MS) return { state: 'expired' };
    return { state: 'fresh', id: id.toString('base64url'), issuedAt, expiresAt };
  }

  /** Records the nonce-count of a request that was granted. */
  use({ id, count }: Use): void {
    this.#used.set(id, Math.max(count, this.#used.get(id) ?? 0));
  }

  /** Whether this sidecar has granted a request with that nonce-count or a higher one. */
  wasUsed({ id, count }: Use): boolean {
    return count <= (this.#used.get(id) ?? 0);
  }

  #mac(id: Buffer, realm: string): Buffer {
    return createHmac('sha256', this.#key).update(id).update(realm).digest().subarray(0, MAC_BYTES);
  }
}
