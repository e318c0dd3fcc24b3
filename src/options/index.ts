import { logFault } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import { DependencyError, QueryFault } from '../ports/errors.ts';
import type { ServerPool } from '../ports/server-pool.ts';
import type { SipAnswer } from '../ports/sip-server.ts';
import type { SipRequest } from '../sip/message.ts';
import { type Admission, whyIgnored } from './admission.ts';
import { parseCheckIn } from './check-in.ts';

export interface OptionsRules extends Admission {
  readonly pool: ServerPool;
  readonly logger: Logger;
  /** Whether a warning about this address is due; limits how much strangers can log. */
  readonly mayWarn: (address: string) => boolean;
}

/**
 * Answers an OPTIONS: 200 to everyone (RFC 3261 11.2). The platform's feature and RTP servers use it to check in; a
 * check-in that is refused changes nothing. Answers 503 when the store cannot keep a check-in.
 */
export async function options(rules: OptionsRules, request: SipRequest): Promise<SipAnswer> {
  const sent = parseCheckIn(request);
  if (!sent) return OK;

  const { checkIn } = sent;
  const why = whyIgnored(rules, request, sent);
  if (why !== undefined) {
    const { source, receivedOn } = request;
    const { address } = source;
    if (rules.mayWarn(address)) rules.logger.warn({ address, receivedOn, checkIn }, why);
    return OK;
  }

  try {
    const { members, change } = await rules.pool.checkIn(checkIn);
    if (change) rules.logger.info({ member: checkIn.member, members }, `${checkIn.kind} server ${change}`);
    return { ...OK, headers: { ...OK.headers, 'X-Members': String(members) } };
  } catch (error) {
    if (!(error instanceof DependencyError)) throw error;
    if (error instanceof QueryFault) logFault(rules.logger, 'check-in', error);
    // The outage is logged once, where it is noticed.
    else rules.logger.debug({ member: checkIn.member, why: error.message }, 'check-in not kept');
    return { status: 503 };
  }
}

const OK = { status: 200, headers: { Allow: 'REGISTER, OPTIONS' } } as const;
