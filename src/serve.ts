import { randomBytes } from 'node:crypto';
import { DrachtioServer } from './adapters/drachtio/server.ts';
import { LogAlerts } from './adapters/log/alerts.ts';
import { banner } from './banner.ts';
import type { Config } from './config/index.ts';
import { Nonces } from './digest/nonce.ts';
import { type Edge, ListenError, startEdge } from './edge/index.ts';
import { createLogger } from './log.ts';
import { options } from './options/index.ts';
import { type Logger, systemClock } from './ports.ts';
import { ProvisionError } from './provision/file.ts';
import { provision } from './provision/index.ts';
import { type RegisterRules, register } from './register/index.ts';
import { openStores, type Stores } from './stores.ts';
import { waitFor } from './wait.ts';
import { WebhookAuthenticator } from './webhook/index.ts';

/**
 * The sidecar: opens what it depends on, answers REGISTER and OPTIONS, and returns when it was told to stop and has.
 * Whatever is beyond repair is logged and ends the process with 1.
 * @throws ProvisionError, ListenError: what a person has to put right before it can start
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
  } finally {
    await new Promise((resolve) => logger.flush(resolve));
  }
}

/** The exit code of what {@link serve} throws when a person has to put something right; undefined for a fault of ours. */
export function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof ProvisionError) return 2;
  return error instanceof ListenError ? 1 : undefined;
}

async function run(config: Config, logger: Logger, told: AbortSignal): Promise<void> {
  const stores = openStores(config, logger, systemClock);
  try {
    await answerUntil(told, config, stores, logger);
  } finally {
    // Also when it never started: open connections would keep the process alive.
    await stores.close();
  }
}

async function answerUntil(told: AbortSignal, config: Config, stores: Stores, logger: Logger): Promise<void> {
  const clock = systemClock;
  const demo = provision(config, stores);
  // The edge and we are one process, but the control port is a port: nobody else may speak on it.
  const secret = randomBytes(24).toString('base64url');
  const edge = config.parts.sip === 'edge' ? await openEdge(config, secret, logger) : undefined;
  const drachtio = new DrachtioServer({
    ...(edge ? { ...edge.control, secret } : config.drachtio),
    networks: config.platform.networks,
    logger,
  });

  const { userAgent, ...webhook } = config.webhook;
  const alerts = new LogAlerts(logger, clock);
  const rules: RegisterRules = {
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
  drachtio.handle('REGISTER', (request) => register(rules, request));
  drachtio.handle('OPTIONS', options);

  const stopReloading = onHangup(() => reload(config, stores, logger));
  let ready = true;
  for (const { name, probe } of stores.probes) ready &&= await waitFor(name, probe, logger, told);
  if (ready) {
    stores.start();
    await Promise.race([drachtio.connect(), aborted(told)]);
  }
  if (!told.aborted) {
    if (edge) process.stdout.write(banner(config, edge.hostports, demo));
    logger.info({ parts: config.parts }, 'ready');
  }

  await aborted(told);
  stopReloading();
  await drachtio.stop(config.platform.shutdownGraceMs);
  await edge?.stop();
  logger.info({}, 'stopped');
}

function openEdge({ embedded }: Config, secret: string, logger: Logger): Promise<Edge> {
  const { sip, externalIp } = embedded;
  return startEdge({ listen: sip, secret, logger, ...(externalIp && { externalIp }) });
}

function reload(config: Config, stores: Stores, logger: Logger): void {
  try {
    provision(config, stores);
    stores.forget();
    logger.info(
      { file: config.embedded.provision || undefined },
      'provisioning applied again, cached accounts forgotten',
    );
  } catch (error) {
    if (!(error instanceof ProvisionError)) throw error;
    logger.error({ why: error.message }, 'provisioning not applied, the old one stays');
  }
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
