import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../lib/timers.ts';

const TIME_BYTES = 6;
const ID_BYTES = TIME_BYTES + 10;
const MAC_BYTES = 16;

export type NonceState =
  /** `id`: key under which the store counts its uses; times in milliseconds since the epoch. */
  | { readonly state: 'fresh'; readonly id: string; readonly issuedAt: number; readonly expiresAt: number }
  | { readonly state: 'expired' }
  /** Not issued by a sidecar with our secret, or for another realm. */
  | { readonly state: 'foreign' };

/**
 * Issues and validates nonces without storing them: time and randomness, authenticated by an HMAC. Sidecars that share
 * a secret accept each other's nonces. A nonce is valid for one realm.
 */
export class Nonces {
  readonly #key: Buffer;

  /** @param secret the HMAC key is derived from it @param ttl lifetime of a nonce, milliseconds */
  constructor(
    secret: string,
    private readonly ttl: number,
    private readonly clock: Clock,
  ) {
    this.#key = Buffer.from(hkdfSync('sha256', secret, '', 'sbc-sip-sidecar digest nonce', 32));
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
    if (expiresAt <= this.clock.now()) return { state: 'expired' };
    return { state: 'fresh', id: id.toString('base64url'), issuedAt, expiresAt };
  }

  #mac(id: Buffer, realm: string): Buffer {
    return createHmac('sha256', this.#key).update(id).update(realm).digest().subarray(0, MAC_BYTES);
  }
}
