import { logFault } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import { sleep, type Timers } from '../lib/timers.ts';
import type { Account } from '../ports/directory.ts';
import { DependencyError, QueryFault, Unavailable } from '../ports/errors.ts';
import type { Aor, AorState, Binding, UpdateRefusal } from '../ports/location.ts';
import type { SipAnswer } from '../ports/sip-server.ts';
import { aorName } from '../sip/aor.ts';
import type { SipRequest } from '../sip/message.ts';
import { accept } from './accept.ts';
import { type AccountRules, alertDeviceLimit, deviceLimit, findAccount } from './account.ts';
import {
  type AuthenticationRules,
  authenticate,
  challenge,
  type PresentedCredentials,
  presentedCredentials,
} from './authenticate.ts';
import type { ConnectionBindings } from './connection-bindings.ts';
import { isRefresh } from './refresh.ts';
import {
  addsBindings,
  checkDomain,
  type ExpiryLimits,
  parseRegister,
  type RegisterRequest,
} from './register-request.ts';
import { Refusal, reject } from './reject.ts';
import type { Granted, Reporter } from './report.ts';
import { type SaveRules, save } from './save.ts';

export type RegisterRules = AccountRules &
  AuthenticationRules &
  SaveRules & {
    readonly limits: ExpiryLimits;
    readonly reporter: Reporter;
    readonly timers: Timers;
    readonly logger: Logger;
    /** Present where the SIP server reports closed connections. */
    readonly connections?: ConnectionBindings;
  };

/**
 * When a wrong answer to a challenge is refused, milliseconds after its arrival: longer than a look-up takes, so that the
 * time does not tell known users from unknown ones.
 */
const TIMED_REFUSAL_MS = 100;

/**
 * Processes a REGISTER as a registrar (RFC 3261 10.3). Never throws: an unavailable store is answered 503, an
 * unexpected error is logged and answered 500.
 */
export async function register(rules: RegisterRules, request: SipRequest): Promise<SipAnswer> {
  const { timers, reporter } = rules;
  const receivedAt = timers.monotonic();
  // Step 1: the Request-URI names a domain. Then the syntax, before anything is looked up: AOR, Contacts and expiries.
  const parsed = await orRefusal(rules, () => checkDomain(request) ?? parseRegister(request, rules.limits));
  const outcome =
    parsed instanceof Refusal ? parsed : await orRefusal(rules, () => processRegister(rules, request, parsed));
  if (outcome instanceof Refusal) {
    if (outcome.isTimed) await sleep(receivedAt + TIMED_REFUSAL_MS - timers.monotonic(), timers);
    if (outcome.offence) rules.abuse.record(request.source.address, outcome.offence);
  }
  const answer = outcome instanceof Refusal ? reject(outcome) : outcome.answer;
  reporter.report({
    request,
    parsed: parsed instanceof Refusal ? undefined : parsed,
    outcome,
    status: answer.status,
    ms: timers.monotonic() - receivedAt,
  });
  return answer;
}

/** What a step comes to, its errors as refusals. */
async function orRefusal<T>(rules: RegisterRules, step: () => T | Promise<T>): Promise<T | Refusal> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof QueryFault) {
      logFault(rules.logger, 'REGISTER', error, rules.timers);
      return new Refusal('QueryRefused', {}, error.message);
    }
    if (error instanceof Unavailable) return new Refusal('StoreUnavailable', {}, error.message);
    return new Refusal('Unforeseen', {}, error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}

async function processRegister(
  rules: RegisterRules,
  request: SipRequest,
  parsed: RegisterRequest,
): Promise<Granted | Refusal> {
  const { aor } = parsed;
  const credentials = presentedCredentials(rules, request, aor);
  if (credentials instanceof Refusal) return credentials;

  // A refresh changes no binding, so it is granted without authentication. When the password can be checked at once, the
  // store is asked only for the update, which recognizes a repeated refresh too.
  const mayProve = credentials?.nonce.state === 'fresh' ? await reachableAccount(rules, aor) : undefined;
  const state = hasClients(mayProve) ? undefined : await lookUp(rules, aor, credentials);
  const receivedAt = rules.timers.now();
  if (state && isRefresh(parsed, state.bindings, receivedAt))
    return grant(rules, request, parsed, state.bindings, receivedAt);

  // The domain belongs to an active account.
  const account = mayProve ?? (await findAccount(rules, aor));
  if (account instanceof Refusal) return account;

  // Steps 3 and 4: authenticate the user, who must be allowed to register this AOR.
  const user = await authenticate(rules, request, parsed, account, credentials, state?.lastNonceCount ?? 0);
  if (user instanceof Refusal) return user;
  rules.directory.authenticated?.(aor.realm);
  // The store knows of replays too, unless it has lost its data.
  if (rules.nonces.wasUsed(user.nonce)) {
    const { bindings } = state ?? (await lookUp(rules, aor, credentials));
    return repeated(rules, request, parsed, bindings, receivedAt);
  }

  // Step 7: update the bindings, all or none, if the account has room for the AOR.
  const maxAors = addsBindings(parsed) ? await deviceLimit(rules, account) : undefined;
  const savedAt = rules.timers.now();
  const outcome = await save(rules, parsed, user, account, maxAors, savedAt);
  if (!outcome.ok) {
    if (outcome.refusal === 'replay') return repeated(rules, request, parsed, outcome.bindings, savedAt);
    return updateRefusal(rules, account, maxAors ?? 0, outcome.refusal);
  }

  rules.nonces.use(user.nonce);
  rules.abuse.succeeded(aorName(aor), request.source.address);

  // Step 8: 200 with the current bindings.
  return { ...grant(rules, request, parsed, outcome.bindings, savedAt), updated: outcome };
}

/** A request whose nonce-count was used before: it is granted if it is a refresh, which needs no authentication. */
function repeated(
  rules: RegisterRules,
  request: SipRequest,
  parsed: RegisterRequest,
  bindings: readonly Binding[],
  now: number,
): Granted | Refusal {
  if (isRefresh(parsed, bindings, now)) return grant(rules, request, parsed, bindings, now);
  return challenge(rules, parsed.aor, true);
}

/** Undefined when the database cannot tell, because a refresh needs no account. */
async function reachableAccount(rules: RegisterRules, aor: Aor): Promise<Account | Refusal | undefined> {
  try {
    return await findAccount(rules, aor);
  } catch (error) {
    if (error instanceof DependencyError) return undefined;
    throw error;
  }
}

/** Whether the account's own clients, not a webhook, authenticate its users. */
function hasClients(account: Account | Refusal | undefined): boolean {
  return account !== undefined && !(account instanceof Refusal) && account.webhook === undefined;
}

function lookUp(
  { location, maxContacts }: RegisterRules,
  aor: Aor,
  credentials: PresentedCredentials | undefined,
): Promise<AorState> {
  const several = maxContacts > 1;
  const { nonce } = credentials ?? {};
  return location.lookup(aor, nonce?.state === 'fresh' ? { several, nonceId: nonce.id } : { several });
}

function grant(
  { connections }: RegisterRules,
  request: SipRequest,
  parsed: RegisterRequest,
  bindings: readonly Binding[],
  now: number,
): Granted {
  connections?.registered(request, parsed, bindings);
  return { answer: accept(parsed, bindings, now) };
}

function updateRefusal(
  rules: RegisterRules,
  account: Account,
  maxAors: number,
  reason: Exclude<UpdateRefusal['refusal'], 'replay'>,
): Refusal {
  switch (reason) {
    case 'too-many-aors':
      alertDeviceLimit(rules, account, maxAors);
      return new Refusal('TooManyDevices');
    case 'too-many-contacts':
      return new Refusal('TooManyContacts');
    case 'out-of-order':
      return new Refusal('OutOfOrder');
  }
}
