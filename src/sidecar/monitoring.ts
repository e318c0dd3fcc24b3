import type { Abuse } from '../abuse/index.ts';
import { type Count, OTHER, type Snapshot } from '../adapters/prometheus/snapshot.ts';
import { backgroundFailures } from '../lib/background.ts';
import { EventLoopDelay } from '../lib/event-loop-delay.ts';
import type { Logger } from '../lib/logger.ts';
import { systemTimers } from '../lib/timers.ts';
import { healthRoutes, metricsRoute } from '../ops/monitoring.ts';
import type { Route } from '../ops/route.ts';
import type { AorCounts } from '../ports/registration-counts.ts';
import type { WebhookAuthenticator } from '../webhook/index.ts';
import { ClusterCounts } from './cluster-counts.ts';
import type { Measuring } from './measuring.ts';
import { dependenciesOf, readinessView, type StatusSources } from './operator-view.ts';
import type { Stores } from './stores.ts';

export interface MonitoringSources extends Omit<StatusSources, 'now' | 'stores'> {
  readonly stores: Stores;
  readonly abuse: Abuse;
  readonly webhook: Pick<WebhookAuthenticator, 'down'>;
  readonly logger: Logger;
}

/** Shows the state of the sidecar to probes, Prometheus and statsd. */
export class Monitoring {
  readonly #counts: ClusterCounts;
  readonly #loop: EventLoopDelay | undefined;

  constructor(
    private readonly measuring: Measuring,
    private readonly sources: MonitoringSources,
  ) {
    const { prometheus, statsd } = measuring;
    const { stores, sipServer, abuse, logger } = sources;
    this.#counts = new ClusterCounts({
      store: stores.store,
      registrations: stores.registrationCounts,
      pool: stores.pool,
      timers: systemTimers,
      logger,
      onCounted: ({ aors, featureServers, rtpServers }) =>
        statsd?.clusterCounted({ users: aors.total, featureServers: featureServers.active, rtpServers }),
    });
    if (!prometheus) return;
    this.#loop = new EventLoopDelay(systemTimers, (ms) => prometheus.eventLoopDelayed(ms));
    abuse.onBanned(() => prometheus.sourceBanned());
    for (const { role, dependency } of dependenciesOf(stores, sipServer, sources.alerts))
      dependency.onAsked((ms) => prometheus.dependencyAnswered(role, ms));
  }

  routes(): Route[] {
    const { prometheus } = this.measuring;
    const { sources } = this;
    return [
      ...healthRoutes(() => readinessView({ ...sources, now: systemTimers.now() })),
      ...(prometheus ? [metricsRoute(() => prometheus.scrape(() => this.#snapshot()))] : []),
    ];
  }

  /** Begins to count; call when the store has answered. */
  start(): void {
    const { prometheus, statsd } = this.measuring;
    if (prometheus || statsd) this.#counts.start();
    this.#loop?.start();
  }

  stop(): void {
    this.#counts.stop();
    this.#loop?.stop();
  }

  #snapshot(): Snapshot {
    const { sip, edge, outbound, alerts, abuse, webhook, logger } = this.sources;
    const { readiness, dependencies } = readinessView({ ...this.sources, now: systemTimers.now() });
    const counts = this.#counts.latest;
    return {
      readiness,
      dependencies,
      sipConnected: sip.connected,
      edge: edge && { ...edge.holding, ...edge.counters, drops: edge.drops },
      aors: counts && withOthers(counts.aors),
      realms: counts?.aors.realms,
      featureServers: counts?.featureServers,
      rtpServers: counts?.rtpServers,
      leaseHeld: outbound.leader.mayAct(),
      trunks: outbound.fleet.snapshot(),
      gateways: outbound.pinger.snapshot(),
      webhooksDown: webhook.down.length,
      abuse: abuse.figures,
      alerts: alerts.points && { waiting: alerts.points.waiting, dropped: alerts.points.dropped },
      backgroundFailures: backgroundFailures(logger),
    };
  }
}

function withOthers({ largest, total }: AorCounts): Count[] {
  const others = total - largest.reduce((sum, [, aors]) => sum + aors, 0);
  return others > 0 ? [...largest, [OTHER, others]] : [...largest];
}
