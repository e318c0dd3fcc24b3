import type { Logger } from '../lib/logger.ts';
import type { Clock } from '../lib/timers.ts';
import { Unavailable } from '../ports/errors.ts';
import type { SipAnswer } from '../ports/sip-server.ts';
import type { SipRequest } from '../sip/message.ts';
import { accept } from './accept.ts';
import { type AccountRules, alertDeviceLimit, checkDeviceLimit, deviceLimit, findAccount } from './account.ts';
import { type AuthenticationRules, authenticate, challenge, presentedCredentials } from './authenticate.ts';
import type { ConnectionBindings } from './connection-bindings.ts';
import { isRefresh } from './refresh.ts';
import { addsContacts, checkDomain, type RegistrationLimits, readRegistration } from './registration.ts';
import { Refusal, reject } from './reject.ts';
import { type SaveRules, save } from './save.ts';

export type RegisterRules = AccountRules &
  AuthenticationRules &
  SaveRules & {
    readonly limits: RegistrationLimits;
    readonly clock: Clock;
    readonly logger: Logger;
    /** Where the SIP server tells when a connection ends: what came over it goes with it. */
    readonly connections?: ConnectionBindings;
  };

/**
 * What happens to a REGISTER, in the order of RFC 3261 10.3; any step may answer. Never throws: what nobody foresaw is
 * logged and answered 500.
 */
export async function register(rules: RegisterRules, request: SipRequest): Promise<SipAnswer> {
  try {
    const answer = await process(rules, request);
    return answer instanceof Refusal ? refuse(rules, request, answer) : answer;
  } catch (error) {
    if (error instanceof Unavailable) return refuse(rules, request, new Refusal('StoreUnavailable', {}, error.message));
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return refuse(rules, request, new Refusal('Unforeseen', {}, detail));
  }
}

async function process(rules: RegisterRules, request: SipRequest): Promise<SipAnswer | Refusal> {
  // The domain must be a name.
  const wrongDomain = checkDomain(request);
  if (wrongDomain) return wrongDomain;

  // Read what is asked for: AOR, contacts, expiries, source.
  const registration = readRegistration(request, rules.limits);
  if (registration instanceof Refusal) return registration;
  const { aor } = registration;
  const presented = presentedCredentials(rules, request, aor);
  if (presented instanceof Refusal) return presented;

  // What only confirms a binding is answered without asking anyone else.
  const state = await rules.location.lookup(aor, {
    countRealm: rules.hosting,
    ...(presented?.nonce.state === 'fresh' && { nonceId: presented.nonce.id }),
  });
  const received = rules.clock.now();
  if (isRefresh(registration, state.bindings, received)) {
    rules.connections?.carries(request, registration, state.bindings);
    return accept(registration, state.bindings, received);
  }

  // The account exists, is active and has room.
  const account = await findAccount(rules, aor);
  if (account instanceof Refusal) return account;
  const limit = addsContacts(registration) ? await deviceLimit(rules, account) : undefined;
  const full = checkDeviceLimit(limit, state);
  if (full) {
    alertDeviceLimit(rules, account, limit ?? 0);
    return full;
  }

  // The user is who they say.
  const user = await authenticate(rules, request, registration, account, presented, state);
  if (user instanceof Refusal) return user;

  // The bindings are stored, and only then granted.
  const now = rules.clock.now();
  const outcome = await save(rules, registration, user, limit, now);
  if (outcome.ok) {
    rules.connections?.carries(request, registration, outcome.bindings);
    return accept(registration, outcome.bindings, now);
  }
  switch (outcome.refusal) {
    case 'replay':
      return challenge(rules, aor, true);
    case 'too-many-aors':
      alertDeviceLimit(rules, account, limit ?? 0);
      return new Refusal('TooManyDevices');
    case 'too-many-contacts':
      return new Refusal('TooManyContacts');
    case 'out-of-order':
      return new Refusal('OutOfOrder');
  }
}

function refuse({ logger }: RegisterRules, request: SipRequest, refusal: Refusal): SipAnswer {
  const { address, port } = request.source;
  logger[refusal.level](
    { reason: refusal.reason, detail: refusal.detail, callId: request.callId, source: `${address}:${port}` },
    'REGISTER refused',
  );
  return reject(refusal);
}
