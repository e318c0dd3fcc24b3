import type { Logger } from '../lib/logger.ts';
import { Unavailable } from '../ports/errors.ts';
import type { ServerPool } from '../ports/server-pool.ts';
import type { SipAnswer } from '../ports/sip-server.ts';
import type { SipRequest } from '../sip/message.ts';
import { readCheckIn } from './check-in.ts';

export interface OptionsRules {
  readonly pool: ServerPool;
  /** Whose check-ins count. */
  readonly networks: readonly { contains(address: string): boolean }[];
  readonly logger: Logger;
  /** @returns whether to log about this address again yet: strangers must not be able to fill the log */
  readonly mayWarn: (address: string) => boolean;
}

/**
 * What happens to an OPTIONS: whoever asks whether we are here is told so (RFC 3261 11.2); the platform's own feature
 * and RTP servers check in with it.
 */
export async function options(rules: OptionsRules, request: SipRequest): Promise<SipAnswer> {
  const checkIn = readCheckIn(request);
  if (!checkIn) return HERE;

  const { address } = request.source;
  if (!rules.networks.some((network) => network.contains(address))) {
    if (rules.mayWarn(address))
      rules.logger.warn({ address, checkIn }, 'check-in from outside JAMBONES_NETWORK_CIDR ignored');
    return HERE;
  }

  try {
    const { members, change } = await rules.pool.checkIn(checkIn);
    if (change) rules.logger.info({ member: checkIn.member, members }, `${checkIn.kind} server ${change}`);
    return { ...HERE, headers: { ...HERE.headers, 'X-Members': String(members) } };
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    rules.logger.warn({ member: checkIn.member, why: error.message }, 'check-in not kept, the next one will be');
    return { status: 503 };
  }
}

const HERE = { status: 200, headers: { Allow: 'REGISTER, OPTIONS' } } as const;
