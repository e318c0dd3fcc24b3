import { randomBytes } from 'node:crypto';
import { defined } from '../lib/defined.ts';
import { quote } from '../sip/syntax.ts';
import { type Algorithm, digestResponse } from './algorithm.ts';
import { type Challenge, readChallenges } from './read-challenges.ts';

/** The challenge of one realm, and our answers to it. */
interface Held {
  readonly header: CredentialsHeader;
  /** The one being answered. */
  challenge: Challenge;
  /** What the realm offered last, in its order. */
  offers: readonly Challenge[];
  /** Of the nonce. */
  uses: number;
  /** Challenges answered since {@link DigestClient.begin}. */
  answered: readonly Challenge[];
  /** Algorithms whose answers were refused, the longest ago first. */
  refused: readonly Algorithm[];
}

/**
 * - `retry`: send the request again with {@link DigestClient.credentials}
 * - `refused`: our credentials were rejected
 * - `unsupported`: no Digest challenge, or none with an algorithm and qop that we support
 */
export type ChallengeOutcome = 'retry' | 'refused' | 'unsupported';

const CREDENTIALS_HEADERS = { 401: 'Authorization', 407: 'Proxy-Authorization' } as const;
type CredentialsHeader = (typeof CREDENTIALS_HEADERS)[ChallengeStatus];
export const CHALLENGE_HEADERS = { 401: 'WWW-Authenticate', 407: 'Proxy-Authenticate' } as const;
export type ChallengeStatus = keyof typeof CHALLENGE_HEADERS;

/** Responses with one status that are answered per request: the first, and three with a new nonce, algorithm or realm. */
export const MAX_ANSWERS = 4;
/** Credentials of one header; those of the oldest realm give way. */
const MAX_REALMS = 4;

export function isChallenge(status: number): status is ChallengeStatus {
  return status in CHALLENGE_HEADERS;
}

/**
 * The client side of digest (RFC 7616 3.4, RFC 8760) for one user. Holds the last challenge of each realm, so that the
 * next request carries credentials from the start.
 */
export class DigestClient {
  #held: readonly Held[] = [];
  /** Responses answered since {@link begin}. */
  readonly #answered = { Authorization: 0, 'Proxy-Authorization': 0 };

  constructor(
    private readonly username: string,
    private readonly password: string,
    private readonly newCnonce = randomCnonce,
  ) {}

  /** Call before a new request, for which a held challenge may be replaced without counting as a refusal. */
  begin(): void {
    for (const held of this.#held) held.answered = [];
    for (const header of Object.values(CREDENTIALS_HEADERS)) this.#answered[header] = 0;
  }

  /**
   * Processes a 401 or 407, and answers each realm of it. Of the algorithms that a realm offers it takes the topmost
   * (RFC 8760 2.4), or the next one when the answer with that was refused. A nonce is answered once with an algorithm.
   * @param lines values of WWW-Authenticate (401) or Proxy-Authenticate (407), one per header line
   */
  challenged(status: ChallengeStatus, lines: readonly string[]): ChallengeOutcome {
    const header = CREDENTIALS_HEADERS[status];
    const realms = [...Map.groupBy(readChallenges(lines), ({ realm }) => realm)].slice(0, MAX_REALMS);
    if (realms.length === 0) return 'unsupported';
    // A registrar that has changed its realm might read the first credentials only.
    if (this.#answered[header] === 0)
      this.#forget((held) => held.header === header && realms.every(([realm]) => held.challenge.realm !== realm));
    if (this.#answered[header] < MAX_ANSWERS) {
      const answered = realms.filter(([realm, offers]) => this.#answer(header, realm, offers));
      this.#answered[header]++;
      if (answered.length > 0) return 'retry';
    }
    this.#forget((held) => held.header === header);
    return 'refused';
  }

  /**
   * Processes a 403. Credentials that were just made are replaced by those of the next algorithm that was offered, or
   * forgotten when there is none.
   */
  forbidden(): 'retry' | 'refused' {
    const recent = this.#held.filter((held) => held.answered.length > 0);
    if (recent.some((held) => answerNext(held, held.offers))) return 'retry';
    this.#forget((held) => recent.includes(held));
    return 'refused';
  }

  /** The values of the credentials headers of a request, a line each. Each call counts as one use of the nonces. */
  credentials(method: string, uri: string): Partial<Record<CredentialsHeader, readonly string[]>> {
    const headers: Partial<Record<CredentialsHeader, readonly string[]>> = {};
    for (const held of this.#held) {
      held.uses++;
      headers[held.header] = [...(headers[held.header] ?? []), this.#authorization(held, method, uri)];
    }
    return headers;
  }

  /** @returns whether there is a challenge that was not answered yet */
  #answer(header: CredentialsHeader, realm: string, offers: readonly Challenge[]): boolean {
    const held = this.#held.find((one) => one.header === header && one.challenge.realm === realm);
    if (held) return answerNext(held, offers);
    const [challenge] = offers;
    if (!challenge) return false;
    const others = this.#held.filter((one) => one.header !== header);
    const sameHeader = this.#held.filter((one) => one.header === header).slice(1 - MAX_REALMS);
    const added = { header, challenge, offers, uses: 0, answered: [challenge], refused: [] };
    this.#held = [...others, ...sameHeader, added];
    return true;
  }

  #forget(isForgotten: (held: Held) => boolean): void {
    this.#held = this.#held.filter((held) => !isForgotten(held));
  }

  #authorization({ challenge, uses }: Held, method: string, uri: string): string {
    const { username, password } = this;
    const { realm, nonce, algorithm, opaque } = challenge;
    const qop = challenge.qop
      ? { nc: uses.toString(16).padStart(8, '0'), count: uses, cnonce: this.newCnonce() }
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

/**
 * Takes the next challenge to be answered.
 * @returns false when each was answered before and refused
 */
function answerNext(held: Held, offers: readonly Challenge[]): boolean {
  const last = held.answered.at(-1);
  if (last && !offers.some(({ stale }) => stale))
    held.refused = [...held.refused.filter((a) => a !== last.algorithm), last.algorithm];
  const refusedFor = ({ algorithm }: Challenge) => held.refused.indexOf(algorithm);
  const next = offers
    .toSorted((a, b) => refusedFor(a) - refusedFor(b))
    .find((offer) => !held.answered.some((a) => a.nonce === offer.nonce && a.algorithm === offer.algorithm));
  if (!next) return false;
  if (next.nonce !== held.challenge.nonce) held.uses = 0;
  held.challenge = next;
  held.offers = offers;
  held.answered = [...held.answered, next];
  return true;
}
