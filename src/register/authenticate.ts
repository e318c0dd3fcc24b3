import type { Abuse, Offence } from '../abuse/index.ts';
import { type Algorithm, algorithmOf, responseMatches } from '../digest/algorithm.ts';
import { challenges } from '../digest/challenge.ts';
import { type Credentials, credentialsFor, MalformedCredentials, parseAuthHeader } from '../digest/credentials.ts';
import type { NonceState, Nonces } from '../digest/nonce.ts';
import { defined } from '../lib/defined.ts';
import type { Account, Client, Directory } from '../ports/directory.ts';
import type { Aor, Grant, LocationService, NonceUse } from '../ports/location.ts';
import type { SipAnswer } from '../ports/sip-server.ts';
import { aorName } from '../sip/aor.ts';
import { bracketed } from '../sip/ip.ts';
import { headerValues, type SipRequest, type Source } from '../sip/message.ts';
import type { Verdict, WebhookAuthenticator } from '../webhook/index.ts';
import { type RegisterRequest, requestedExpires } from './register-request.ts';
import { Refusal, type RefusalReason } from './reject.ts';

export interface AuthenticationRules {
  readonly abuse: Abuse;
  readonly location: Pick<LocationService, 'lookup'>;
  readonly directory: Directory;
  readonly nonces: Nonces;
  readonly webhook: WebhookAuthenticator;
  /** Offered in challenges, the preferred one first. */
  readonly algorithms: readonly Algorithm[];
  /** The accounts in which a user may register an AOR of another name. */
  readonly allowAuthUser: AllowAuthUser;
}

/** `webhook`: only accounts with a webhook, which is sent the AOR. */
type AllowAuthUser = boolean | 'webhook';

export interface Authenticated {
  readonly grant: Grant;
  /** Limit set by the webhook, seconds. */
  readonly maxExpires?: number;
  /** Recorded in the same update as the bindings, so that it authorizes no other. */
  readonly nonce: NonceUse;
}

/** Credentials for our realm, with a nonce that we issued. The response is not verified yet. */
export interface PresentedCredentials {
  readonly credentials: Credentials;
  readonly algorithm: Algorithm;
  readonly nonce: Exclude<NonceState, { state: 'foreign' }>;
}

/** Above every nonce-count: without qop (RFC 2069) a nonce is valid for one request. */
const ONLY_USE = 2 ** 32;

/** Finds the credentials for our realm (RFC 3261 22.3). @returns undefined when none can answer a challenge of ours */
export function presentedCredentials(
  { nonces, algorithms }: AuthenticationRules,
  request: SipRequest,
  { realm }: Aor,
): PresentedCredentials | Refusal | undefined {
  const lines = headerValues(request.headers, 'Authorization');
  const credentials = lines.length > 0 ? credentialsFor(realm, lines.flatMap(parseAuthHeader)) : undefined;
  if (!credentials) return undefined;
  const nonce = nonces.check(credentials.nonce, realm);
  if (nonce.state === 'foreign') return undefined;
  if (credentials instanceof MalformedCredentials) return new Refusal('MalformedAuthorization');
  const algorithm = algorithmOf(credentials);
  // Accepting an algorithm that was not offered would allow a downgrade (RFC 8760 2.6).
  if (!algorithm || !algorithms.includes(algorithm)) return undefined;
  return { credentials, algorithm, nonce };
}

/**
 * Challenges (RFC 3261 22.2), or verifies the credentials with the account's webhook or its clients.
 * @param lastNonceCount 0 when the store has not been asked: it checks the nonce-count again with the update
 */
export async function authenticate(
  rules: AuthenticationRules,
  request: SipRequest,
  parsed: RegisterRequest,
  account: Account,
  presented: PresentedCredentials | undefined,
  lastNonceCount: number,
): Promise<Authenticated | Refusal> {
  if (!presented) return challenge(rules, parsed.aor, false);
  const { credentials, algorithm } = presented;
  const { aor } = parsed;
  if (presented.nonce.state === 'fresh' && rules.abuse.isSpent(presented.nonce.id)) return challenge(rules, aor, false);
  if (!rules.abuse.mayAnswer(aorName(aor), request.source.address) && !(await hasBinding(rules, aor, request.source)))
    return new Refusal('GuessedTooOften');
  const wrong = (reason: RefusalReason, detail: string, headers?: SipAnswer['headers']) => {
    rules.abuse.wrongAnswer(aorName(aor), presented.nonce.state === 'fresh' ? presented.nonce : undefined);
    return new Refusal(reason, headers, detail);
  };
  const mayDiffer = allowsOtherUsers(rules, account);
  if (!mayDiffer && credentials.username !== aor.user)
    return wrong('InvalidCredentials', `user ${credentials.username} is not ${aor.user}`);
  const nonce = unusedNonce(presented, lastNonceCount);

  if (account.webhook) {
    // Only the webhook can verify the response; a nonce that is no longer valid is not worth a call.
    if (!nonce) return challenge(rules, aor, true);
    const asked = defined({
      credentials,
      expires: requestedExpires(parsed),
      aor: mayDiffer ? aorName(aor) : undefined,
    });
    const verdict = await rules.webhook.authenticate(account.webhook, account, request, asked);
    if (verdict.kind === 'granted') return defined({ grant: verdict.grant, maxExpires: verdict.maxExpires, nonce });
    return deniedByWebhook(verdict, request, wrong);
  }

  const client = await rules.directory.client(account.sid, credentials.username);
  const password = client?.isActive ? client.password : undefined;
  const matches = responseMatches(algorithm, credentials, password, request.method);
  // The database may compare without case and accents.
  const isNamed = mayDiffer || client?.username === credentials.username;
  if (!matches || !client || !isNamed) {
    const why = whyRefused(client, credentials.username, matches);
    const refusal = wrong(client ? 'InvalidCredentials' : 'UnknownUser', why);
    // A phone whose nonce is no longer valid may be asked again, but it has shown that it does not know the password.
    return nonce ? refusal : challenge(rules, aor, false, refusal.offence);
  }
  return nonce ? { grant: client.grant, nonce } : challenge(rules, aor, true);
}

/** What an operator learns of a refusal, and the phone does not. */
function whyRefused(client: Client | undefined, username: string, matches: boolean): string {
  if (!client) return `no client ${username}`;
  if (!client.isActive) return `client ${username} is deactivated`;
  if (client.password === undefined) return `client ${username} has no password that can be decrypted`;
  return matches ? `the client is ${client.username}, not ${username}` : `wrong password of ${username}`;
}

/** Whether an AOR is registered from a source, by whichever sidecar. */
async function hasBinding({ location }: AuthenticationRules, aor: Aor, { address }: Source): Promise<boolean> {
  const { bindings } = await location.lookup(aor, { several: true });
  return bindings.some(({ proxy }) => proxy.startsWith(`sip:${bracketed(address)}:`));
}

function allowsOtherUsers({ allowAuthUser }: AuthenticationRules, { webhook }: Account): boolean {
  return allowAuthUser === true || (allowAuthUser === 'webhook' && webhook !== undefined);
}

/**
 * A 401 with a new nonce.
 * @param stale the response was correct but its nonce no longer valid (RFC 7616 3.3)
 * @param offence that the challenged request was
 */
export function challenge(
  { nonces, algorithms }: AuthenticationRules,
  { realm }: Aor,
  stale: boolean,
  offence?: Offence,
): Refusal {
  const headers = { 'WWW-Authenticate': challenges(realm, nonces.create(realm), algorithms, stale) };
  return new Refusal('Challenge', headers, undefined, offence);
}

/** The nonce-count that the credentials use; undefined when it is a replay or the nonce has expired. */
function unusedNonce({ credentials, nonce }: PresentedCredentials, lastNonceCount: number): NonceUse | undefined {
  const count = credentials.qop?.count ?? ONLY_USE;
  if (nonce.state === 'expired' || count <= lastNonceCount) return undefined;
  return { id: nonce.id, count, issuedAt: nonce.issuedAt, expiresAt: nonce.expiresAt };
}

function deniedByWebhook(
  verdict: Exclude<Verdict, { kind: 'granted' }>,
  { source }: SipRequest,
  wrong: (reason: RefusalReason, detail: string, headers: SipAnswer['headers']) => Refusal,
): Refusal {
  if (verdict.kind === 'failed') return new Refusal('WebhookFailed', {}, verdict.why);
  if (verdict.kind === 'refused') return new Refusal('WebhookRefusedRequest', {}, verdict.why);
  const headers = { ...verdict.headers };
  if (verdict.spammer) headers['X-Reason'] = `detected potential spammer from ${source.address}:${source.port}`;
  return wrong('DeniedByWebhook', verdict.why, headers);
}
