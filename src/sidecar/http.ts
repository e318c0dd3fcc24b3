import type { Config } from '../config/index.ts';
import type { Logger } from '../lib/logger.ts';
import { systemClock } from '../lib/timers.ts';
import { healthRoutes } from '../ops/monitoring.ts';
import { OpsServer } from '../ops/server.ts';

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
