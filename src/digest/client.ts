import { randomBytes } from 'node:crypto';
import { defined } from '../lib/defined.ts';
import { quote } from '../sip/syntax.ts';
import { ALGORITHMS, type Algorithm, algorithmNamed, digestResponse } from './algorithm.ts';
import { type AuthValue, parseAuthHeader } from './credentials.ts';

/** A challenge that we support (RFC 7616 3.3). */
interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: Algorithm;
  readonly opaque?: string;
  /** Whether it offers qop `auth`; without, credentials are in the style of RFC 2069. */
  readonly qop: boolean;
  readonly stale: boolean;
}

interface HeldChallenge extends Challenge {
  uses: number;
  /** Challenges received since {@link DigestClient.begin}: a second one is accepted if the nonce was stale. */
  received: 0 | 1 | 2;
}

/**
 * - `retry`: send the request again with {@link DigestClient.credentials}
 * - `refused`: our credentials were rejected
 * - `unsupported`: no Digest challenge, or none with an algorithm and qop that we support
 */
export type ChallengeOutcome = 'retry' | 'refused' | 'unsupported';

const CREDENTIALS_HEADERS = { 401: 'Authorization', 407: 'Proxy-Authorization' } as const;
export const CHALLENGE_HEADERS = { 401: 'WWW-Authenticate', 407: 'Proxy-Authenticate' } as const;
export type ChallengeStatus = keyof typeof CHALLENGE_HEADERS;

export function isChallenge(status: number): status is ChallengeStatus {
  return status in CHALLENGE_HEADERS;
}

/**
 * The client side of digest (RFC 7616 3.4, RFC 8760) for one user. Holds the last challenge of the registrar and of a
 * proxy, so that the next request carries credentials from the start.
 */
export class DigestClient {
  /** Keyed by header, because integer keys would allocate an array of over 400 elements. */
  readonly #held: { [header in (typeof CREDENTIALS_HEADERS)[ChallengeStatus]]?: HeldChallenge } = {};

  constructor(
    private readonly username: string,
    private readonly password: string,
    private readonly newCnonce = randomCnonce,
  ) {}

  /** Call before a new request, for which a held challenge may be replaced without counting as a refusal. */
  begin(): void {
    for (const held of Object.values(this.#held)) held.received = 0;
  }

  /**
   * Processes a 401 or 407. Of several challenges it takes the one with the strongest algorithm, or the first of those.
   * @param values of WWW-Authenticate (401) or Proxy-Authenticate (407), one per header line
   */
  challenged(status: ChallengeStatus, values: readonly string[]): ChallengeOutcome {
    const challenge = strongest(values.flatMap(readChallenges));
    if (!challenge) return 'unsupported';
    const header = CREDENTIALS_HEADERS[status];
    const held = this.#held[header];
    const again = held?.realm === challenge.realm && held.received > 0;
    if (again && (!challenge.stale || held.received === 2 || held.nonce === challenge.nonce)) {
      delete this.#held[header];
      return 'refused';
    }
    const uses = held?.nonce === challenge.nonce ? held.uses : 0;
    this.#held[header] = { ...detached(challenge), uses, received: again ? 2 : 1 };
    return 'retry';
  }

  /** The credentials headers of a request. Each call counts as one use of the nonces. */
  credentials(method: string, uri: string): Record<string, string> {
    const headers: Record<string, string> = {};
    for (const header of Object.values(CREDENTIALS_HEADERS)) {
      const held = this.#held[header];
      if (!held) continue;
      held.uses++;
      headers[header] = this.#authorization(held, method, uri);
    }
    return headers;
  }

  #authorization({ realm, nonce, algorithm, opaque, ...held }: HeldChallenge, method: string, uri: string): string {
    const { username, password } = this;
    const qop = held.qop
      ? { nc: held.uses.toString(16).padStart(8, '0'), count: held.uses, cnonce: this.newCnonce() }
      : undefined;
    const signed = defined({ username, realm, nonce, uri, qop });
    const response = digestResponse(algorithm, signed, password, method);
    const params = [
      `username=${quote(username)}`,
      `realm=${quote(realm)}`,
      `nonce=${quote(nonce)}`,
      `uri=${quote(uri)}`,
      `response="${response}"`,
      `algorithm=${algorithm}`,
    ];
    if (qop) params.push('qop=auth', `nc=${qop.nc}`, `cnonce="${qop.cnonce}"`);
    if (opaque !== undefined) params.push(`opaque=${quote(opaque)}`);
    return `Digest ${params.join(', ')}`;
  }
}

function randomCnonce(): string {
  return randomBytes(8).toString('hex');
}

function strongest(challenges: readonly Challenge[]): Challenge | undefined {
  return ALGORITHMS.toReversed()
    .map((algorithm) => challenges.find((c) => c.algorithm === algorithm))
    .find((c) => c !== undefined);
}

/** Copies the strings: a slice would keep the whole received message in memory. */
function detached(challenge: Challenge): Challenge {
  const { realm, nonce, opaque } = challenge;
  const copy = (text: string) => Buffer.from(text).toString();
  const copied = { ...challenge, realm: copy(realm), nonce: copy(nonce) };
  return opaque === undefined ? copied : { ...copied, opaque: copy(opaque) };
}

/** The challenges of one header line that we support, without those that are malformed. */
function readChallenges(line: string): Challenge[] {
  return parseAuthHeader(line).flatMap((value) => (value.malformed ? [] : readChallenge(value)));
}

/** We repeat realm, nonce and opaque in a header, so they must not contain line breaks. */
const CONTROL = /\p{Cc}/u;

function readChallenge({ scheme, params }: AuthValue): Challenge[] {
  const realm = params.get('realm');
  const nonce = params.get('nonce');
  const opaque = params.get('opaque');
  const algorithm = algorithmNamed(params.get('algorithm'));
  const qops = (params.get('qop') ?? '')
    .toLowerCase()
    .split(',')
    .map((q) => q.trim());
  const qop = qops.some((q) => q !== '');
  if (scheme !== 'digest' || realm === undefined || nonce === undefined || !algorithm) return [];
  if ([realm, nonce, opaque ?? ''].some((text) => CONTROL.test(text))) return [];
  if (qop && !qops.includes('auth')) return [];
  const stale = params.get('stale')?.toLowerCase() === 'true';
  return [defined({ realm, nonce, algorithm, qop, stale, opaque })];
}
