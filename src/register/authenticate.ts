import { type Algorithm, algorithmOf, responseMatches } from '../digest/algorithm.ts';
import { challenges } from '../digest/challenge.ts';
import { type AuthValue, type Credentials, credentialsFor, parseAuthHeader } from '../digest/credentials.ts';
import type { NonceState, Nonces } from '../digest/nonce.ts';
import type { Account, Directory } from '../ports/directory.ts';
import type { Aor, AorState, Grant, NonceUse } from '../ports/location.ts';
import { combinedHeader, type SipRequest } from '../sip/message.ts';
import { SipSyntaxError } from '../sip/syntax.ts';
import type { Verdict, WebhookAuthenticator } from '../webhook/index.ts';
import { askedExpires, type Registration } from './registration.ts';
import { Refusal } from './reject.ts';

export interface AuthenticationRules {
  readonly directory: Directory;
  readonly nonces: Nonces;
  readonly webhook: WebhookAuthenticator;
  /** What we challenge with, the preferred one first. */
  readonly algorithms: readonly Algorithm[];
  /** Whether a client may register another user's AOR of its realm. */
  readonly allowAuthUser: boolean;
}

/** A user who proved to be one. */
export interface Authenticated {
  readonly grant: Grant;
  /** Seconds; the webhook may shorten a registration. */
  readonly maxExpires?: number;
  /** To be spent together with the change it allows, so that it allows no other. */
  readonly nonce: NonceUse;
}

/** Credentials that belong to our realm and a nonce of ours, with what is known about their nonce. */
export interface Presented {
  readonly credentials: Credentials;
  readonly algorithm: Algorithm;
  readonly nonce: Exclude<NonceState, { state: 'foreign' }>;
}

/** More than any nonce-count can be: without qop a nonce is good once (RFC 2069 knows no count). */
const ONLY_USE = 2 ** 32;

/**
 * Finds the credentials for our realm (RFC 3261 22.3). Nothing is looked up, nothing is proved yet.
 * @returns undefined when there are none that could be ours
 */
export function presentedCredentials(
  { nonces, algorithms }: AuthenticationRules,
  request: SipRequest,
  { realm }: Aor,
): Presented | Refusal | undefined {
  const header = combinedHeader(request.headers, 'Authorization');
  if (header === undefined) return undefined;
  let values: AuthValue[];
  try {
    values = parseAuthHeader(header);
  } catch (error) {
    if (error instanceof SipSyntaxError) return new Refusal('MalformedAuthorization', {}, error.message);
    throw error;
  }
  const credentials = credentialsFor(realm, values);
  if (credentials === 'malformed') return new Refusal('MalformedAuthorization');
  if (!credentials) return undefined;
  const nonce = nonces.check(credentials.nonce, realm);
  const algorithm = algorithmOf(credentials);
  // An algorithm that was not offered would let an attacker choose a weaker one (RFC 8760 2.6).
  if (nonce.state === 'foreign' || !algorithm || !algorithms.includes(algorithm)) return undefined;
  return { credentials, algorithm, nonce };
}

/** Challenges (RFC 3261 22.2), or has the account's clients or its webhook say who this is. */
export async function authenticate(
  rules: AuthenticationRules,
  request: SipRequest,
  registration: Registration,
  account: Account,
  presented: Presented | undefined,
  state: AorState,
): Promise<Authenticated | Refusal> {
  if (!presented) return challenge(rules, registration.aor, false);

  const nonce = unspent(presented, state);
  if (account.webhook) {
    // Whether the response was right only the customer knows, who is not asked for a nonce that is not good any more.
    if (!nonce) return challenge(rules, registration.aor, true);
    const expires = askedExpires(registration);
    const verdict = await rules.webhook.ask(account.webhook, account, request, presented.credentials, expires);
    if (verdict.kind !== 'granted') return deniedByWebhook(verdict, request);
    const { grant, maxExpires } = verdict;
    return { grant, ...(maxExpires !== undefined && { maxExpires }), nonce };
  }

  const { credentials, algorithm } = presented;
  const client = await rules.directory.client(account.sid, credentials.username);
  const password = client?.isActive ? client.password : undefined;
  const right = responseMatches(algorithm, credentials, password, request.method);
  if (!nonce) return challenge(rules, registration.aor, right);
  const owner = rules.allowAuthUser || credentials.username === registration.aor.user;
  if (!right || !client || !owner) return new Refusal('InvalidCredentials', {}, `user ${credentials.username}`);
  return { grant: client.grant, nonce };
}

/** A 401 with a new nonce. @param stale the password was right, only the nonce was not (RFC 7616 3.3) */
export function challenge({ nonces, algorithms }: AuthenticationRules, { realm }: Aor, stale: boolean): Refusal {
  return new Refusal('Challenge', { 'WWW-Authenticate': challenges(realm, nonces.create(realm), algorithms, stale) });
}

/** The use of the nonce that the credentials claim, unless it was had before or the nonce is too old. */
function unspent({ credentials, nonce }: Presented, { lastNonceCount }: AorState): NonceUse | undefined {
  const count = credentials.qop?.count ?? ONLY_USE;
  if (nonce.state === 'expired' || count <= lastNonceCount) return undefined;
  return { id: nonce.id, count, expiresAt: nonce.expiresAt };
}

function deniedByWebhook(verdict: Exclude<Verdict, { kind: 'granted' }>, { source }: SipRequest): Refusal {
  if (verdict.kind === 'failed') return new Refusal('WebhookFailed', {}, verdict.why);
  if (verdict.kind === 'refused') return new Refusal('WebhookRefusedRequest', {}, verdict.why);
  const reason = `detected potential spammer from ${source.address}:${source.port}`;
  return new Refusal(
    'DeniedByWebhook',
    { ...verdict.headers, ...(verdict.spammer && { 'X-Reason': reason }) },
    verdict.why,
  );
}
