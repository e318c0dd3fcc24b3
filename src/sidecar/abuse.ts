import { Abuse } from '../abuse/index.ts';
import type { Config } from '../config/index.ts';
import type { Logger } from '../lib/logger.ts';
import { systemTimers } from '../lib/timers.ts';
import type { AbusePolicy } from '../ports/abuse-store.ts';
import type { Events } from '../ports/events.ts';
import type { Stores } from './stores.ts';

export function createAbuse(config: Config, stores: Stores, events: Events, logger: Logger): Abuse {
  const exempt = [...config.platform.networks, ...config.abuse.banExempt];
  return new Abuse({
    store: stores.abuse,
    policy: abusePolicy(config),
    exempt: (address) => exempt.some((network) => network.contains(address)),
    events,
    timers: systemTimers,
    logger,
  });
}

export function abusePolicy({ abuse: { banThreshold, banSeconds, banRedisKey } }: Config): AbusePolicy {
  return { banThreshold, banSeconds, banSet: banRedisKey };
}
