import { type AdminRules, perform } from '../admin/actions.ts';
import type { Config } from '../config/index.ts';
import type { EventBus } from '../events/bus.ts';
import type { Logger } from '../lib/logger.ts';
import { systemClock, systemTimers } from '../lib/timers.ts';
import { healthRoutes } from '../ops/monitoring.ts';
import type { RecentFigures } from '../ops/recent-figures.ts';
import { OpsServer } from '../ops/server.ts';
import type { StatusPage } from '../ops/status-page.ts';
import { isLocalHost } from '../sip/ip.ts';

/**
 * Opens the HTTP server, so that probes are answered from the very start.
 * @returns undefined when it is off @throws HttpListenError
 */
export function openHttp({ http }: Config, logger: Logger): OpsServer | undefined {
  if (http.port === 0) return undefined;
  const starting = () => ({
    ready: false,
    readiness: 'not ready' as const,
    notReadyBecause: 'starting',
    dependencies: [],
    now: systemClock.now(),
  });
  return new OpsServer(http, healthRoutes(starting), logger);
}

export interface PageSources {
  readonly config: Config;
  readonly rules: AdminRules;
  readonly bus: EventBus;
  readonly recent: RecentFigures;
  /** AORs by realm; undefined while they are not known. */
  aors(): readonly (readonly [realm: string, aors: number])[] | undefined;
  readonly logger: Logger;
}

/** The status page and what is behind it; loaded only for this. */
export async function openStatusPage({ config, rules, bus, recent, aors, logger }: PageSources): Promise<StatusPage> {
  const { StatusPage } = await import('../ops/status-page.ts');
  const { host, adminToken } = config.http;
  return new StatusPage({
    access: { token: adminToken, readable: isLocalHost(host) },
    perform: (request, signal, operator) => perform(rules, request, signal, operator),
    figures: () => ({
      now: systemClock.now(),
      seconds: recent.seconds(),
      refusals: recent.refusals(),
      aors: aors() ?? null,
    }),
    recent,
    bus,
    timers: systemTimers,
    logger,
  });
}
