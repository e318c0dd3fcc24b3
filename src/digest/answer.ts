import { randomBytes } from 'node:crypto';
import { quote, tryParse } from '../sip/syntax.ts';
import { ALGORITHMS, type Algorithm, algorithmNamed, digestResponse } from './algorithm.ts';
import { type AuthValue, parseAuthHeader } from './credentials.ts';

/** A challenge that we can answer (RFC 7616 3.3). */
interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: Algorithm;
  readonly opaque?: string;
  /** Whether it asks for a quality of protection: `auth`, or it would not be here. */
  readonly qop: boolean;
  readonly stale: boolean;
}

interface Held extends Challenge {
  /** How often its nonce was used (RFC 7616 3.4, nc). */
  uses: number;
  /** Since {@link DigestAnswers.begin}: once, and then a second time because the nonce was stale. */
  answered: 'not yet' | 'once' | 'twice';
}

/**
 * - `answer`: send the request again, with {@link DigestAnswers.headers}
 * - `refused`: our credentials were seen and are wrong
 * - `unanswerable`: no challenge that we could answer: unknown algorithm, session keys, auth-int only, no Digest at all
 */
export type Verdict = 'answer' | 'refused' | 'unanswerable';

/** The headers of challenges, and those of their answers (RFC 3261 22.2, 22.3). */
const ANSWERS = { 401: 'Authorization', 407: 'Proxy-Authorization' } as const;
export const CHALLENGES = { 401: 'WWW-Authenticate', 407: 'Proxy-Authenticate' } as const;
export type ChallengeStatus = keyof typeof CHALLENGES;

export function isChallenge(status: number): status is ChallengeStatus {
  return status in CHALLENGES;
}

/**
 * The client's side of digest (RFC 7616 3.4, RFC 8760) for one user: answers challenges, and holds on to the last one of
 * the registrar and of a proxy, so that the next request carries credentials from the start.
 */
export class DigestAnswers {
  /** By name: numbers for keys would make an array of it, with four hundred places. */
  readonly #held: { [header in (typeof ANSWERS)[ChallengeStatus]]?: Held } = {};

  constructor(
    private readonly username: string,
    private readonly password: string,
    private readonly newCnonce = randomCnonce,
  ) {}

  /** A new request, not one more attempt at the last: what was held may be challenged anew without being refused. */
  begin(): void {
    for (const held of Object.values(this.#held)) held.answered = 'not yet';
  }

  /**
   * Takes what a 401 or 407 says. Of several challenges the strongest algorithm is taken, of equals the first.
   * @param values of WWW-Authenticate (401) or Proxy-Authenticate (407), one for each line
   */
  challenged(status: ChallengeStatus, values: readonly string[]): Verdict {
    const challenge = strongest(values.flatMap(readChallenges));
    if (!challenge) return 'unanswerable';
    const header = ANSWERS[status];
    const held = this.#held[header];
    const again = held?.realm === challenge.realm && held.answered !== 'not yet';
    if (again && (!challenge.stale || held.answered === 'twice' || held.nonce === challenge.nonce)) {
      delete this.#held[header];
      return 'refused';
    }
    const uses = held?.nonce === challenge.nonce ? held.uses : 0;
    this.#held[header] = { ...detached(challenge), uses, answered: again ? 'twice' : 'once' };
    return 'answer';
  }

  /** The credentials that a request is to carry, by header; each call is one use of the nonces. */
  headers(method: string, uri: string): Record<string, string> {
    const headers: Record<string, string> = {};
    for (const header of Object.values(ANSWERS)) {
      const held = this.#held[header];
      if (!held) continue;
      held.uses++;
      headers[header] = this.#credentials(held, method, uri);
    }
    return headers;
  }

  #credentials({ realm, nonce, algorithm, opaque, ...held }: Held, method: string, uri: string): string {
    const { username, password } = this;
    const qop = held.qop
      ? { nc: held.uses.toString(16).padStart(8, '0'), count: held.uses, cnonce: this.newCnonce() }
      : undefined;
    const response = digestResponse(algorithm, { username, realm, nonce, uri, ...(qop && { qop }) }, password, method);
    const params = [
      `username=${quote(username)}`,
      `realm=${quote(realm)}`,
      `nonce=${quote(nonce)}`,
      `uri=${quote(uri)}`,
      `response="${response}"`,
      `algorithm=${algorithm}`,
      ...(qop ? [`qop=auth, nc=${qop.nc}, cnonce="${qop.cnonce}"`] : []),
      ...(opaque === undefined ? [] : [`opaque=${quote(opaque)}`]),
    ];
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

/** A part of a text keeps the whole text alive, here a message, or as many as came in one piece. */
function detached(challenge: Challenge): Challenge {
  const { realm, nonce, opaque } = challenge;
  const copy = (text: string) => Buffer.from(text).toString();
  return {
    ...challenge,
    realm: copy(realm),
    nonce: copy(nonce),
    ...(opaque !== undefined && { opaque: copy(opaque) }),
  };
}

/** The challenges of one header line that we could answer; none of a line that cannot be read. */
function readChallenges(line: string): Challenge[] {
  return tryParse(() => parseAuthHeader(line))?.flatMap(readChallenge) ?? [];
}

/** What we echo must not break out of its header line. */
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
  return [{ realm, nonce, algorithm, qop, stale, ...(opaque !== undefined && { opaque }) }];
}
