import type { Abuse } from '../abuse/index.ts';
import type { Config } from '../config/index.ts';
import { Nonces } from '../digest/nonce.ts';
import type { Logger } from '../lib/logger.ts';
import { systemClock, systemTimers } from '../lib/timers.ts';
import type { Alerts } from '../ports/alerts.ts';
import type { Events } from '../ports/events.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { ClientConnections, SipServer } from '../ports/sip-server.ts';
import { ConnectionBindings } from '../register/connection-bindings.ts';
import type { RegisterRules } from '../register/index.ts';
import { Reporter } from '../register/report.ts';
import { WebhookAuthenticator } from '../webhook/index.ts';
import { measuredDirectory, measuredLocation } from './measured.ts';
import type { Stores } from './stores.ts';

export function bindingsOfConnections(
  connections: ClientConnections,
  { abuse }: Config,
  { location }: Stores,
  events: Events,
  logger: Logger,
): ConnectionBindings {
  const bindings = new ConnectionBindings({
    location,
    events,
    isOpen: connections.isOpen,
    graceSeconds: abuse.connectionLostGraceSeconds,
    timers: systemTimers,
    logger,
  });
  connections.onEnded((peer) => bindings.closed(peer));
  connections.keepWhile((peer) => bindings.inUse(peer));
  return bindings;
}

/** Where a REGISTER leaves traces besides its answer. */
export interface Reports {
  readonly abuse: Abuse;
  readonly alerts: Alerts;
  readonly events: Events;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

export function registerRules(
  config: Config,
  stores: Stores,
  sipServer: SipServer,
  connections: ConnectionBindings | undefined,
  reports: Reports,
): RegisterRules {
  const { userAgent, ...webhook } = config.webhook;
  const { abuse, alerts, events, metrics, logger } = reports;
  return {
    timers: systemTimers,
    logger,
    alerts,
    abuse,
    reporter: new Reporter({ events, metrics, timers: systemTimers, logger }),
    location: measuredLocation(stores.location, metrics, systemTimers),
    directory: measuredDirectory(stores.directory, metrics, systemTimers),
    nonces: new Nonces(stores.secret, config.digest.nonceTtlSeconds * 1000, systemClock),
    webhook: new WebhookAuthenticator({
      ...webhook,
      ...(userAgent && { userAgent }),
      alerts,
      metrics,
      timers: systemTimers,
      logger,
    }),
    sipServer,
    ...(connections && { connections }),
    hosting: config.platform.hosting,
    algorithms: config.digest.algorithms,
    allowAuthUser: config.register.allowAuthUser,
    maxExpires: config.register.maxExpires,
    maxContacts: config.register.maxContacts,
    limits: config.register,
  };
}
