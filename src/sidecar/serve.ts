import { DataError } from '../adapters/sqlite/data-error.ts';
import { type AdminRules, perform, Refused } from '../admin/actions.ts';
import { claimAdminSocket } from '../admin/server.ts';
import { Settings } from '../admin/settings.ts';
import { AdminSocketError } from '../admin/socket-claim.ts';
import type { Config } from '../config/index.ts';
import { CertificateError, ListenError } from '../edge/index.ts';
import { EventBus } from '../events/bus.ts';
import { EventWriter } from '../events/event-writer.ts';
import { LastRefusals } from '../events/last-refusals.ts';
import type { Dependency } from '../lib/dependency.ts';
import { IdleCollection } from '../lib/idle-collection.ts';
import { createLogger, type Log, withLevel } from '../lib/log.ts';
import type { Logger } from '../lib/logger.ts';
import { OncePer } from '../lib/once-per.ts';
import { retry } from '../lib/retry.ts';
import { ServiceManager } from '../lib/service-manager.ts';
import type { TextOutput } from '../lib/text-output.ts';
import { systemClock, systemTimers } from '../lib/timers.ts';
import { HttpListenError } from '../ops/listen-error.ts';
import { type OptionsRules, options } from '../options/index.ts';
import { SilenceWatch } from '../options/silence.ts';
import { QueryFault } from '../ports/errors.ts';
import type { SipServer } from '../ports/sip-server.ts';
import { ProvisionError } from '../provision/file.ts';
import { provision } from '../provision/index.ts';
import { register } from '../register/index.ts';
import { createAbuse } from './abuse.ts';
import { createAlerts } from './alerts.ts';
import { banner } from './banner.ts';
import { eventsView } from './events-view.ts';
import { endOnFault, FLUSH_MS } from './fatal.ts';
import { openHttp, openStatusPage } from './http.ts';
import { logLevelSetting } from './log-level.ts';
import { openMeasuring } from './measuring.ts';
import { Monitoring } from './monitoring.ts';
import { type Lifetime, outboundView, statusOf, variablesOf } from './operator-view.ts';
import { createOutbound } from './outbound.ts';
import { readinessOf, readinessText } from './readiness.ts';
import { ReadinessWatch } from './readiness-watch.ts';
import { bindingsOfConnections, registerRules } from './registrar.ts';
import { registrationsView } from './registrations-view.ts';
import { type Reloadable, reload } from './reload.ts';
import { createDrachtioServer, createEdge, sipDependency } from './sip-server.ts';
import { openStores, type Stores } from './stores.ts';

/** Minimum interval between warnings about refused check-ins from one address, ms. */
const CHECK_IN_WARNING_INTERVAL_MS = 60_000;
/** In that interval, about all addresses together: the source of a datagram can be forged. */
const MAX_CHECK_IN_WARNINGS = 20;
/** A stop takes no longer than this beyond the grace for requests: the last alerts, the log and connections have deadlines. */
const MAX_STOP_MS = 15_000;

/**
 * Runs the sidecar until SIGTERM or SIGINT. An error that nothing catches is logged and ends the process with 1.
 * @throws DataError, ProvisionError, CertificateError, ListenError, HttpListenError, AdminSocketError when it cannot
 * start; see
 * {@link exitCodeOf}
 */
export async function serve(config: Config): Promise<void> {
  const { logger, output } = await createLogger(config.platform.logLevel, config.platform.clusterId, systemTimers);
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
  const cannotListen = [ListenError, HttpListenError, AdminSocketError].some((kind) => error instanceof kind);
  return cannotListen ? 1 : undefined;
}

async function run(config: Config, logger: Log, output: TextOutput, stop: AbortSignal): Promise<void> {
  // Closes in reverse order, also when something throws: an open connection would keep the process alive.
  await using open = new AsyncDisposableStack();
  const admin = await claimAdminSocket(config.platform.socketPath, logger, systemTimers);
  open.defer(() => admin.stop());
  const lifetime: Lifetime = { startedAt: systemClock.now(), phase: 'starting' };
  const http = openHttp(config, logger);
  open.defer(() => http?.stop());
  const measuring = await openMeasuring(config, lifetime.startedAt, logger);
  open.defer(() => measuring.stop());
  const stores = openStores(config, logger, systemClock);
  open.defer(() => stores.close());
  const demo = stores.provisioning && provision(stores.provisioning, config.embedded.provision);

  const bus = new EventBus(systemClock);
  const lastRefusals = new LastRefusals();
  bus.follow((event) => lastRefusals.follow(event));
  const manager = new ServiceManager(process.env, systemTimers, logger);
  bus.follow((event) => event.type === 'readiness' && manager.status(readinessText(event)));
  const eventWriter = stores.events && new EventWriter(bus, stores.events, systemTimers, logger);
  open.defer(() => eventWriter?.stop());
  const edge = config.parts.sip === 'edge' ? createEdge(config, logger) : undefined;
  const sip: SipServer = edge ?? (await createDrachtioServer(config, logger));
  const alerts = await createAlerts(config, logger);
  alerts.start();
  // Stops after everything that raises alerts.
  open.defer(() => alerts.stop());
  const { metrics } = measuring;
  stores.location.onExpired((aor) => bus.emit({ type: 'expired', aor, presence: 'offline' }));
  const bindings = sip.connections && bindingsOfConnections(sip.connections, config, stores, bus, logger);
  open.defer(() => bindings?.stop());
  const abuse = createAbuse(config, stores, bus, logger);
  sip.screen(abuse);
  const reports = { abuse, alerts, events: bus, metrics, logger };
  const registrar = registerRules(config, stores, sip, bindings, reports);
  const checkIns = optionsRules(config, stores, logger);
  sip.handle('REGISTER', (request) => register(registrar, request));
  sip.handle('OPTIONS', (request) => options(checkIns, request));
  const outbound = createOutbound(config, stores, sip, alerts, bus, logger);

  const sipServer = sipDependency(config, sip, logger);
  const { store, database } = stores;
  const readiness = () =>
    readinessOf(lifetime.phase, { sip: sipServer.health, store: store.health, database: database.health });
  const readinessWatch = new ReadinessWatch(readiness, alerts, bus);
  for (const dependency of [sipServer, store, database]) dependency.onChange(() => readinessWatch.update());
  const view = { config, lifetime, readiness, sip, sipServer, edge, outbound, abuse, alerts, stores };
  const reloadable = { config, stores, edge, outbound, logger };
  const rules: AdminRules = {
    pool: stores.pool,
    silentMs: config.servers.expiresMs,
    settings: new Settings({ logLevel: logLevelSetting(logger) }),
    outbound: outboundView(outbound, stores.lease, systemClock),
    bans: abuse,
    bus,
    registrations: registrationsView({
      registrations: stores.registrations,
      location: stores.location,
      directory: stores.directory,
      lastRefusals,
      bans: abuse,
      events: bus,
      timers: systemTimers,
    }),
    events: eventsView(bus),
    now: systemClock.now,
    status: () => statusOf({ ...view, now: systemClock.now() }),
    reload: () => reload(reloadable),
    // Acts are logged at any level, which is itself changed by one.
    audit: withLevel(logger, 'info'),
    config: () => ({ variables: variablesOf(config, logger.level) }),
  };
  admin.serve((request, signal, operator) => perform(rules, request, signal, operator));
  const monitoring = new Monitoring(measuring, { ...view, webhook: registrar.webhook, logger });
  const page =
    measuring.recent &&
    (await openStatusPage({ config, rules, bus, recent: measuring.recent, aors: () => monitoring.aors(), logger }));
  open.defer(() => page?.stop());
  http?.serve([...monitoring.routes(), ...(page?.routes ?? [])]);
  open.defer(onHangup(() => tryReload(reloadable)));

  const stored = new Set([store, database]);
  manager.status(`waiting for ${[...stored].map(({ name }) => name).join(' and ')}`);
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
  eventWriter?.start();
  abuse.start();
  open.defer(() => abuse.stop());
  monitoring.start();
  open.defer(() => monitoring.stop());
  const silence = new SilenceWatch({ pool: stores.pool, ...config.servers, timers: systemTimers, logger });
  silence.start();
  open.defer(() => silence.stop());
  const idleCollection = new IdleCollection({ timers: systemTimers, cpuMs, collect: () => Bun.gc(true) });
  idleCollection.start();
  open.defer(() => idleCollection.stop());

  open.defer(() => sip.stop(config.platform.shutdownGraceMs));
  manager.status(readinessText(readiness()));
  await Promise.race([sip.connect(), aborted(stop)]);
  if (stop.aborted) return;
  sipServer.start();
  open.defer(() => sipServer.stop());
  outbound.start();
  // Stops before the SIP server: it sends nothing, and another sidecar can take the lease at once.
  open.defer(() => outbound.stop());
  lifetime.phase = 'serving';
  readinessWatch.update();
  manager.ready();
  if (edge) output.write(banner(config, edge.hostports, demo));
  logger.info({ parts: config.parts }, 'ready');

  await aborted(stop);
  lifetime.phase = 'stopping';
  manager.stopping(config.platform.shutdownGraceMs + MAX_STOP_MS);
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

function optionsRules({ platform }: Config, { pool }: Stores, logger: Logger): OptionsRules {
  const warnings = new OncePer(CHECK_IN_WARNING_INTERVAL_MS, systemClock, MAX_CHECK_IN_WARNINGS);
  return {
    pool,
    networks: platform.networks,
    listeners: platform.checkInListeners,
    logger,
    mayWarn: (address) => warnings.isDue(address),
  };
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
