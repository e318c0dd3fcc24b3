import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../lib/timers.ts';

const TIME_BYTES = 6;
const ID_BYTES = TIME_BYTES + 10;
const MAC_BYTES = 16;

export type NonceState =
  /** `id` names the nonce in the store that counts its uses; `expiresAt` in milliseconds since the epoch. */
  | { readonly state: 'fresh'; readonly id: string; readonly expiresAt: number }
  | { readonly state: 'expired' }
  | { readonly state: 'foreign' };

/**
 * Makes nonces and knows them again without having kept them: time and randomness under an HMAC (RFC 7616 3.3 leaves
 * the form to the server). Sidecars that share a secret accept one another's. A nonce is good in one realm only.
 */
export class Nonces {
  readonly #key: Buffer;

  /** @param secret what the key is derived from @param ttl how long a nonce lives, milliseconds */
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
    // Comparing the text too: base64 has several spellings of the same bytes, and the count is kept by spelling.
    if (bytes.length !== ID_BYTES + MAC_BYTES || bytes.toString('base64url') !== nonce) return { state: 'foreign' };
    const id = bytes.subarray(0, ID_BYTES);
    if (!timingSafeEqual(bytes.subarray(ID_BYTES), this.#mac(id, realm))) return { state: 'foreign' };
    const expiresAt = id.readUIntBE(0, TIME_BYTES) + this.ttl;
    if (expiresAt <= this.clock.now()) return { state: 'expired' };
    return { state: 'fresh', id: id.toString('base64url'), expiresAt };
  }

  #mac(id: Buffer, realm: string): Buffer {
    return createHmac('sha256', this.#key).update(id).update(realm).digest().subarray(0, MAC_BYTES);
  }
}
