import type { Status } from '../admin/protocol.ts';
import { json } from './response.ts';
import type { Route } from './route.ts';

/** Whether phones should be sent here, and the state of each dependency; fields as in `status`. */
export type ReadinessView = Pick<Status, 'ready' | 'readiness' | 'notReadyBecause' | 'dependencies' | 'now'>;

const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8';
const PROBE = { method: 'GET', calledBy: 'any' } as const;

/** What supervisors and load balancers ask for. @param readiness waits for nothing */
export function healthRoutes(readiness: () => ReadinessView): Route[] {
  return [
    // The process lives, also while it stops: a supervisor must not kill it then.
    { ...PROBE, path: '/healthz', handle: () => json(200, { alive: true }) },
    {
      ...PROBE,
      path: '/readyz',
      handle: () => {
        const view = readiness();
        return json(view.ready ? 200 : 503, view);
      },
    },
    // As the platform's other services answer it. A sidecar carries no calls.
    { ...PROBE, path: '/system-health', handle: () => json(200, { calls: 0, ...readiness() }) },
  ];
}

/** @param scrape resolves with all metrics in Prometheus' text format */
export function metricsRoute(scrape: () => Promise<string>): Route {
  const headers = { 'Content-Type': PROMETHEUS_TEXT };
  return { ...PROBE, path: '/metrics', handle: async () => new Response(await scrape(), { headers }) };
}
