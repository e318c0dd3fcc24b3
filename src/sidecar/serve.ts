import { fullGC } from 'bun:jsc';
import { randomBytes } from 'node:crypto';
import { DrachtioServer } from '../adapters/drachtio/server.ts';
import { LogAlerts } from '../adapters/log/alerts.ts';
import { type AdminRules, perform, Refused } from '../admin/actions.ts';
import { AdminSocketError, startAdminServer } from '../admin/server.ts';
import { Settings } from '../admin/settings.ts';
import type { Config } from '../config/index.ts';
import { Nonces } from '../digest/nonce.ts';
import { CertificateError, type Edge, ListenError, startEdge } from '../edge/index.ts';
import { IdleCollection } from '../lib/idle-collection.ts';
import { createLogger, type Log } from '../lib/log.ts';
import type { Logger } from '../lib/logger.ts';
import { OncePer } from '../lib/once-per.ts';
import { retry } from '../lib/retry.ts';
import { type Clock, systemClock, systemTimers } from '../lib/timers.ts';
import { type OptionsRules, options } from '../options/index.ts';
import { SilenceWatch } from '../options/silence.ts';
import type { Alerts } from '../ports/alerts.ts';
import { ProvisionError } from '../provision/file.ts';
import { provision } from '../provision/index.ts';
import { ConnectionBindings } from '../register/connection-bindings.ts';
import { type RegisterRules, register } from '../register/index.ts';
import { isLoopback } from '../sip/ip.ts';
import { WebhookAuthenticator } from '../webhook/index.ts';
import { banner } from './banner.ts';
import { logLevelSetting } from './log-level.ts';
import { outboundView } from './operator-view.ts';
import { createOutbound, type Outbound } from './outbound.ts';
import { type Reloadable, reload } from './reload.ts';
import { statusOf } from './status.ts';
import { openStores, type Stores } from './stores.ts';

/** Minimum interval between warnings about one source, ms. */
const WARN_AGAIN_MS = 60_000;

/**
 * The sidecar: opens what it depends on, answers REGISTER and OPTIONS, and returns when it was told to stop and has.
 * Whatever is beyond repair is logged and ends the process with 1.
 * @throws ProvisionError, CertificateError, ListenError, AdminSocketError: what a person has to put right before it can start
 */
export async function serve(config: Config): Promise<void> {
  const logger = await createLogger(config.platform.logLevel);
  for (const event of ['uncaughtException', 'unhandledRejection'] as const)
    process.on(event, (error: unknown) => {
      logger.fatal({ why: error instanceof Error ? error.stack : String(error) }, event);
      logger.flush(() => process.exit(1));
    });
  for (const warning of config.warnings) logger.warn({}, warning);
  try {
    await run(config, logger, untilToldToStop(logger));
    logger.info({}, 'stopped');
  } finally {
    await new Promise((resolve) => logger.flush(resolve));
  }
}

/** The exit code of what {@link serve} throws when a person has to put something right; undefined for a fault of ours. */
export function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof ProvisionError || error instanceof CertificateError) return 2;
  return error instanceof ListenError || error instanceof AdminSocketError ? 1 : undefined;
}

async function run(config: Config, logger: Log, told: AbortSignal): Promise<void> {
  const clock = systemClock;
  const startedAt = clock.now();
  // Closed in reverse order, also when something throws: open connections would keep the process alive.
  await using open = new AsyncDisposableStack();
  const stores = openStores(config, logger, clock);
  open.defer(() => stores.close());
  // The edge and we are one process, but the control port is a port: nobody else may speak on it.
  const secret = randomBytes(24).toString('base64url');
  let ready = false;
  let sip = { connected: false, hostports: '' };
  let edge: Edge | undefined;
  let outbound: Outbound | undefined;
  const reloadable = () => ({ config, stores, edge, outbound, logger });
  const admin: AdminRules = {
    pool: stores.pool,
    silentMs: config.servers.expiresMs,
    settings: new Settings({ logLevel: logLevelSetting(logger) }),
    outbound: outboundView(() => outbound, stores.lease, clock),
    now: clock.now,
    status: () => statusOf({ ...stores, config, startedAt, now: clock.now(), ready, sip, edge, outbound }),
    reload: () => reload(reloadable()),
  };
  const socket = await startAdminServer(config.platform.socketPath, (request) => perform(admin, request), logger);
  open.defer(() => socket.stop());

  const demo = provision(config, stores);
  const connections = new ConnectionBindings({
    location: stores.location,
    isOpen: (address, port) => edge?.isConnected(address, port) ?? false,
    graceSeconds: config.abuse.connectionLostGraceSeconds,
    timers: systemTimers,
    logger,
  });
  open.defer(() => connections.stop());
  edge = config.parts.sip === 'edge' ? await openEdge(config, secret, connections, logger) : undefined;
  open.defer(() => edge?.stop());
  const { networks } = config.platform;
  const drachtio = new DrachtioServer({
    ...(edge ? { ...edge.control, secret } : config.drachtio),
    networks,
    logger,
  });
  sip = drachtio;

  const alerts = new LogAlerts(logger, clock);
  const registering = {
    ...registerRules(config, stores, alerts, logger, clock),
    // A drachtio server does not tell when a connection ends.
    ...(edge && { connections }),
  };
  const unknownCallers = new OncePer(WARN_AGAIN_MS, clock);
  const checkingIn: OptionsRules = {
    pool: stores.pool,
    networks,
    logger,
    mayWarn: (address) => unknownCallers.isDue(address),
  };
  drachtio.handle('REGISTER', (request) => register(registering, request));
  drachtio.handle('OPTIONS', (request) => options(checkingIn, request));

  open.defer(onHangup(() => reloadOrComplain(reloadable())));
  for (const { name, probe } of stores.probes)
    if (!(await retry(probe, { name, signal: told, timers: systemTimers, logger }))) return;
  stores.start();
  const silence = new SilenceWatch({ pool: stores.pool, ...config.servers, timers: systemTimers, logger });
  silence.start();
  open.defer(() => silence.stop());
  const idleCollection = new IdleCollection({ timers: systemTimers, cpuMs, collect: fullGC });
  idleCollection.start();
  open.defer(() => idleCollection.stop());
  open.defer(() => drachtio.stop(config.platform.shutdownGraceMs));
  const outwards = createOutbound(config, stores, drachtio, alerts, logger);
  await Promise.race([drachtio.connect(), aborted(told)]);
  if (!told.aborted) {
    ready = true;
    outbound = outwards;
    outwards.start();
    // Before drachtio is let go: stopping sends nothing, and whoever takes over need not wait.
    open.defer(() => outwards.stop());
    if (edge) process.stdout.write(banner(config, edge.hostports, demo));
    logger.info({ parts: config.parts }, 'ready');
  }

  await aborted(told);
  ready = false;
}

function registerRules(config: Config, stores: Stores, alerts: Alerts, logger: Logger, clock: Clock): RegisterRules {
  const { userAgent, ...webhook } = config.webhook;
  return {
    clock,
    logger,
    alerts,
    location: stores.location,
    directory: stores.directory,
    nonces: new Nonces(stores.secret, config.digest.nonceTtlSeconds * 1000, clock),
    webhook: new WebhookAuthenticator({ ...webhook, ...(userAgent && { userAgent }), alerts, clock }),
    hosting: config.platform.hosting,
    algorithms: config.digest.algorithms,
    allowAuthUser: config.register.allowAuthUser,
    maxExpires: config.register.maxExpires,
    maxContacts: config.register.maxContacts,
    limits: config.register,
  };
}

function openEdge(
  { embedded, platform }: Config,
  secret: string,
  connections: ConnectionBindings,
  logger: Logger,
): Promise<Edge> {
  const { sip, externalIp, tlsCerts, tlsKeys, tlsVerify, connectionsPerSource: perSource } = embedded;
  const [first, ...others] = tlsCerts.map((certFile, i) => ({ certFile, keyFile: tlsKeys[i] ?? '' }));
  return startEdge({
    ...{ listen: sip, secret, logger },
    // Proxies and load balancers of the platform bring many phones.
    limits: {
      perSource,
      exempt: (address) => isLoopback(address) || platform.networks.some((n) => n.contains(address)),
    },
    ...(externalIp && { externalIp }),
    ...(first && { tls: { certificates: [first, ...others], verify: tlsVerify } }),
    connectionClosed: (connection) => connections.closed(connection),
    connectionNeeded: (connection) => connections.needs(connection),
  });
}

function reloadOrComplain(reloadable: Reloadable): void {
  try {
    reload(reloadable);
  } catch (error) {
    // It is in the log.
    if (!(error instanceof Refused)) throw error;
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function onHangup(listener: () => void): () => void {
  process.on('SIGHUP', listener);
  return () => process.off('SIGHUP', listener);
}

/** Aborts at the first SIGTERM or SIGINT; the second one ends the process at once. */
function untilToldToStop(logger: Logger): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(1);
      logger.info({ signal }, 'stopping');
      controller.abort();
    });
  return controller.signal;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });
}
