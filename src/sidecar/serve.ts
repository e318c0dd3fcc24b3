import { fullGC } from 'bun:jsc';
import { Abuse } from '../abuse/index.ts';
import { DataError } from '../adapters/sqlite/data-error.ts';
import { type AdminRules, perform, Refused } from '../admin/actions.ts';
import { claimAdminSocket } from '../admin/server.ts';
import { Settings } from '../admin/settings.ts';
import { AdminSocketError } from '../admin/socket-claim.ts';
import type { Config } from '../config/index.ts';
import { Nonces } from '../digest/nonce.ts';
import { CertificateError, Edge, ListenError } from '../edge/index.ts';
import { Dependency } from '../lib/dependency.ts';
import { IdleCollection } from '../lib/idle-collection.ts';
import { createLogger, type Log } from '../lib/log.ts';
import type { Logger } from '../lib/logger.ts';
import { OncePer } from '../lib/once-per.ts';
import { retry } from '../lib/retry.ts';
import type { TextOutput } from '../lib/text-output.ts';
import { systemClock, systemTimers } from '../lib/timers.ts';
import { type OptionsRules, options } from '../options/index.ts';
import { SilenceWatch } from '../options/silence.ts';
import type { Alerts } from '../ports/alerts.ts';
import { QueryFault, Unavailable } from '../ports/errors.ts';
import type { ClientConnections, SipServer } from '../ports/sip-server.ts';
import { ProvisionError } from '../provision/file.ts';
import { provision } from '../provision/index.ts';
import { ConnectionBindings } from '../register/connection-bindings.ts';
import { type RegisterRules, register } from '../register/index.ts';
import { isLoopback } from '../sip/ip.ts';
import { WebhookAuthenticator } from '../webhook/index.ts';
import { createAlerts } from './alerts.ts';
import { banner } from './banner.ts';
import { endOnFault, FLUSH_MS } from './fatal.ts';
import { logLevelSetting } from './log-level.ts';
import { type Lifetime, outboundView, readinessNow, statusOf } from './operator-view.ts';
import { createOutbound } from './outbound.ts';
import { ReadinessWatch } from './readiness-watch.ts';
import { type Reloadable, reload } from './reload.ts';
import { abusePolicy, openStores, type Stores } from './stores.ts';

/** Minimum interval between warnings about check-ins from one address outside our networks. */
const CHECK_IN_WARNING_INTERVAL_MS = 60_000;

/**
 * Runs the sidecar until SIGTERM or SIGINT. An error that nothing catches is logged and ends the process with 1.
 * @throws DataError, ProvisionError, CertificateError, ListenError, AdminSocketError when it cannot start; see
 * {@link exitCodeOf}
 */
export async function serve(config: Config): Promise<void> {
  const { logger, output } = await createLogger(config.platform.logLevel, systemTimers);
  endOnFault(logger, output);
  for (const warning of config.warnings) logger.warn({}, warning);
  try {
    await run(config, logger, output, stopSignal(logger));
    logger.info({}, 'stopped');
  } finally {
    await output.drained(FLUSH_MS);
  }
}

/** The exit code for an error of {@link serve} that an operator can fix; undefined for any other error. */
export function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof ProvisionError || error instanceof CertificateError) return 2;
  if (error instanceof DataError) return error.isTransient ? 1 : 2;
  return error instanceof ListenError || error instanceof AdminSocketError ? 1 : undefined;
}

async function run(config: Config, logger: Log, output: TextOutput, stop: AbortSignal): Promise<void> {
  // Closes in reverse order, also when something throws: an open connection would keep the process alive.
  await using open = new AsyncDisposableStack();
  const admin = await claimAdminSocket(config.platform.socketPath, logger, systemTimers);
  open.defer(() => admin.stop());
  const stores = openStores(config, logger, systemClock);
  open.defer(() => stores.close());
  const demo = stores.provisioning && provision(stores.provisioning, config.embedded.provision);

  const edge = config.parts.sip === 'edge' ? createEdge(config, logger) : undefined;
  const sip: SipServer = edge ?? (await createDrachtioServer(config, logger));
  const alerts = await createAlerts(config, logger);
  alerts.start();
  // Stops after everything that raises alerts.
  open.defer(() => alerts.stop());
  const bindings = sip.connections && bindingsOfConnections(sip.connections, config, stores, logger);
  open.defer(() => bindings?.stop());
  const abuse = createAbuse(config, stores, logger);
  sip.screen(abuse);
  const registrar = registerRules(config, stores, sip, bindings, abuse, alerts, logger);
  const checkIns = optionsRules(config, stores, logger);
  sip.handle('REGISTER', (request) => register(registrar, request));
  sip.handle('OPTIONS', (request) => options(checkIns, request));
  const outbound = createOutbound(config, stores, sip, alerts, logger);

  const sipServer = sipDependency(config, sip, logger);
  const lifetime: Lifetime = { startedAt: systemClock.now(), phase: 'starting' };
  const view = { config, lifetime, sip, sipServer, edge, outbound, abuse, alerts, stores };
  const readinessWatch = new ReadinessWatch(() => readinessNow(view), alerts);
  for (const dependency of [sipServer, stores.store, stores.database])
    dependency.onChange(() => readinessWatch.update());
  const reloadable = { config, stores, edge, outbound, logger };
  const rules: AdminRules = {
    pool: stores.pool,
    silentMs: config.servers.expiresMs,
    settings: new Settings({ logLevel: logLevelSetting(logger) }),
    outbound: outboundView(outbound, stores.lease, systemClock),
    bans: abuse,
    now: systemClock.now,
    status: () => statusOf({ ...view, now: systemClock.now() }),
    reload: () => reload(reloadable),
  };
  admin.serve((request) => perform(rules, request));
  open.defer(onHangup(() => tryReload(reloadable)));

  const stored = new Set([stores.store, stores.database]);
  const answers = await Promise.all(
    [...stored].map((one) => retry(() => answer(one), { name: one.name, signal: stop, timers: systemTimers, logger })),
  );
  if (answers.includes(false)) return;
  // Phones do not depend on the database writer.
  for (const dependency of [...stored, stores.databaseWriter ?? []].flat()) {
    dependency.start();
    open.defer(() => dependency.stop());
  }
  stores.start();
  abuse.start();
  open.defer(() => abuse.stop());
  const silence = new SilenceWatch({ pool: stores.pool, ...config.servers, timers: systemTimers, logger });
  silence.start();
  open.defer(() => silence.stop());
  const idleCollection = new IdleCollection({ timers: systemTimers, cpuMs, collect: fullGC });
  idleCollection.start();
  open.defer(() => idleCollection.stop());

  open.defer(() => sip.stop(config.platform.shutdownGraceMs));
  await Promise.race([sip.connect(), aborted(stop)]);
  if (stop.aborted) return;
  sipServer.start();
  open.defer(() => sipServer.stop());
  outbound.start();
  // Stops before the SIP server: it sends nothing, and another sidecar can take the lease at once.
  open.defer(() => outbound.stop());
  lifetime.phase = 'serving';
  readinessWatch.update();
  if (edge) output.write(banner(config, edge.hostports, demo));
  logger.info({ parts: config.parts }, 'ready');

  await aborted(stop);
  lifetime.phase = 'stopping';
  readinessWatch.stopping();
}

/** Resolves when a dependency answers, if only with a refusal: then phones are refused too, rather than left unanswered. */
async function answer(dependency: Dependency): Promise<void> {
  try {
    await dependency.check();
  } catch (error) {
    if (!(error instanceof QueryFault)) throw error;
  }
}

function createEdge({ embedded, platform }: Config, logger: Logger): Edge {
  const { sip, externalIp, tlsCerts, tlsKeys, tlsVerify, connectionsPerSource } = embedded;
  const [first, ...others] = tlsCerts.map((certFile, i) => ({ certFile, keyFile: tlsKeys[i] ?? '' }));
  return new Edge({
    listen: sip,
    logger,
    networks: platform.networks,
    limits: {
      perSource: connectionsPerSource,
      // Proxies and load balancers of the platform carry many phones.
      exempt: (address) => isLoopback(address) || platform.networks.some((n) => n.contains(address)),
    },
    ...(externalIp && { externalIp }),
    ...(first && { tls: { certificates: [first, ...others], verify: tlsVerify } }),
  });
}

function createAbuse(config: Config, stores: Stores, logger: Logger): Abuse {
  const exempt = [...config.platform.networks, ...config.abuse.banExempt];
  return new Abuse({
    store: stores.abuse,
    policy: abusePolicy(config),
    exempt: (address) => exempt.some((network) => network.contains(address)),
    timers: systemTimers,
    logger,
  });
}

function sipDependency({ parts, drachtio }: Config, sip: SipServer, logger: Logger): Dependency {
  const isEdge = parts.sip === 'edge';
  const dependency = new Dependency({
    name: isEdge ? 'embedded edge' : 'drachtio',
    address: isEdge ? 'in this process' : `${drachtio.host}:${drachtio.port}`,
    affects: 'phones get no answer, registrations at carriers stop',
    async probe() {
      if (!sip.connected) throw new Unavailable('drachtio', 'not connected');
    },
    timers: systemTimers,
    logger,
  });
  sip.onConnected(() => dependency.answered());
  sip.onDisconnected(() => dependency.probeNow('connection closed'));
  return dependency;
}

/** Loads drachtio-srf only where it is used. */
async function createDrachtioServer({ drachtio, platform }: Config, logger: Logger): Promise<SipServer> {
  const { DrachtioServer } = await import('../adapters/drachtio/server.ts');
  return new DrachtioServer({ ...drachtio, networks: platform.networks, logger });
}

function bindingsOfConnections(
  connections: ClientConnections,
  { abuse }: Config,
  { location }: Stores,
  logger: Logger,
): ConnectionBindings {
  const bindings = new ConnectionBindings({
    location,
    isOpen: connections.isOpen,
    graceSeconds: abuse.connectionLostGraceSeconds,
    timers: systemTimers,
    logger,
  });
  connections.onEnded((peer) => bindings.closed(peer));
  connections.keepWhile((peer) => bindings.inUse(peer));
  return bindings;
}

function registerRules(
  config: Config,
  stores: Stores,
  sipServer: SipServer,
  connections: ConnectionBindings | undefined,
  abuse: Abuse,
  alerts: Alerts,
  logger: Logger,
): RegisterRules {
  const { userAgent, ...webhook } = config.webhook;
  return {
    timers: systemTimers,
    logger,
    alerts,
    abuse,
    location: stores.location,
    directory: stores.directory,
    nonces: new Nonces(stores.secret, config.digest.nonceTtlSeconds * 1000, systemClock),
    webhook: new WebhookAuthenticator({
      ...webhook,
      ...(userAgent && { userAgent }),
      alerts,
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

function optionsRules({ platform }: Config, { pool }: Stores, logger: Logger): OptionsRules {
  const warnings = new OncePer(CHECK_IN_WARNING_INTERVAL_MS, systemClock);
  return { pool, networks: platform.networks, logger, mayWarn: (address) => warnings.isDue(address) };
}

function tryReload(reloadable: Reloadable): void {
  try {
    reload(reloadable);
  } catch (error) {
    // reload has logged it.
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

/** Aborts at the first SIGTERM or SIGINT; a second one ends the process at once. */
function stopSignal(logger: Logger): AbortSignal {
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
