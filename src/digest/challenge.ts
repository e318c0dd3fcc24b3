import { quote } from '../sip/syntax.ts';
import type { Algorithm } from './algorithm.ts';

/**
 * The values of the WWW-Authenticate headers of a 401, one per algorithm in the order of preference (RFC 8760 2.3).
 * @param stale tells the phone that its password was right and only the nonce was not (RFC 7616 3.3)
 */
export function challenges(realm: string, nonce: string, algorithms: readonly Algorithm[], stale: boolean): string[] {
  return algorithms.map(
    (algorithm) =>
      `Digest realm=${quote(realm)}, nonce=${quote(nonce)}, qop="auth", algorithm=${algorithm}${stale ? ', stale=true' : ''}`,
  );
}
