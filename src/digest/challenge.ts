import { quote } from '../sip/syntax.ts';
import type { Algorithm } from './algorithm.ts';

/**
 * The WWW-Authenticate values of a 401, one per algorithm in order of preference (RFC 8760 2.3).
 * @param stale tells the phone to retry with the new nonce without asking for a password (RFC 7616 3.3)
 */
export function challenges(realm: string, nonce: string, algorithms: readonly Algorithm[], stale: boolean): string[] {
  return algorithms.map(
    (algorithm) =>
      `Digest realm=${quote(realm)}, nonce=${quote(nonce)}, qop="auth", algorithm=${algorithm}${stale ? ', stale=true' : ''}`,
  );
}
