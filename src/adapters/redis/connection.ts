import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Redis, RedisOptions } from 'ioredis';
import type { Config } from '../../config/index.ts';
import { withDeadline } from '../../lib/deadline.ts';
import { Dependency } from '../../lib/dependency.ts';
import type { Logger } from '../../lib/logger.ts';
import { isOwnFault } from '../../lib/own-fault.ts';
import { systemTimers } from '../../lib/timers.ts';
import { DependencyError, Unavailable } from '../../ports/errors.ts';
import { BatchingRedis } from './batching-redis.ts';
import { keys } from './keys.ts';
import { isReadOnly, messageOf, replyFault } from './reply-error.ts';
import { guardReplies } from './reply-guard.ts';

type Options = Omit<RedisOptions, 'replyMapping'>;

const CONNECT_TIMEOUT_MS = 3000;
const MAX_RECONNECT_DELAY_MS = 2000;

/** Connects to the server, or to the master named by the sentinels. Reconnects for ever; meanwhile commands fail. */
export function connectRedis(config: Config['redis'], logger: Logger): Redis {
  guardReplies();
  const redis = new BatchingRedis(optionsFor(config), config.timeoutMs, systemTimers);
  // Log the message only: an ioredis error contains the failed command, which may be AUTH.
  redis.on('error', (error: Error) => logger.debug({ why: messageOf(error) }, 'Redis connection'));
  return redis;
}

const PROBE_TTL_MS = 60_000;

/** Whether Redis answers and takes writes. */
export function redisDependency(redis: Redis, config: Config['redis'], clusterId: string, logger: Logger): Dependency {
  let connectionError: string | undefined;
  const dependency = new Dependency({
    name: 'Redis',
    address: addressOf(config),
    affects: 'phones are answered 503, registrations at carriers stop',
    async probe() {
      if (redis.status === 'reconnecting' && connectionError !== undefined)
        throw new Unavailable('Redis', connectionError);
      await probe(redis, clusterId, config.timeoutMs);
    },
    timers: systemTimers,
    logger,
  });
  redis.on('error', (error: Error) => {
    connectionError = messageOf(error);
  });
  redis.on('close', () => dependency.probeNow('connection closed'));
  redis.on('ready', () => {
    connectionError = undefined;
    dependency.probeNow('connection open');
  });
  return dependency;
}

async function probe(redis: Redis, clusterId: string, timeoutMs: number): Promise<void> {
  const deadline = new AbortController();
  const late = () => new Unavailable('Redis', 'no answer in time');
  const write = async () => {
    await connected(redis, deadline.signal);
    await ask(() => redis.set(keys.probe(clusterId), 1, 'PX', PROBE_TTL_MS));
  };
  try {
    await withDeadline(write(), timeoutMs, late, systemTimers);
  } finally {
    // Removes the listeners of `once`.
    deadline.abort();
  }
}

/** Resolves when Redis answers; rejects when the connection attempt under way fails. */
export async function untilReady(redis: Redis): Promise<void> {
  await connected(redis);
  await ask(() => redis.ping());
}

/** Waits for a connection attempt that is under way. @throws Unavailable with its error */
async function connected(redis: Redis, signal?: AbortSignal): Promise<void> {
  if (redis.status === 'connecting' || redis.status === 'connect')
    await ask(() => once(redis, 'ready', signal ? { signal } : {}));
}

function addressOf({ host, port, sentinels, sentinelMasterName }: Config['redis']): string {
  if (sentinels.length === 0) return `${host}:${port}`;
  return `${sentinelMasterName} at ${sentinels.map((s) => `${s.host}:${s.port}`).join(', ')}`;
}

/** What ioredis says of a command without a connection, or whose connection is lost. */
const NOT_CONNECTED = /^(Stream isn't writeable|Reached the max retries|Connection is closed)/;

/**
 * Runs commands.
 * @throws Unavailable when Redis cannot be asked, QueryFault when it answers with an error
 */
export async function ask<T>(commands: () => Promise<T>): Promise<T> {
  try {
    return await commands();
  } catch (error) {
    if (isOwnFault(error) || error instanceof DependencyError) throw error;
    const message = messageOf(error);
    const why = NOT_CONNECTED.test(message) ? 'not connected' : message;
    throw error instanceof Error && error.name === 'ReplyError' ? replyFault(why) : new Unavailable('Redis', why);
  }
}

function optionsFor(config: Config['redis']): Options {
  const common: Options = {
    ...(config.username && { username: config.username }),
    ...(config.password && { password: config.password }),
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), MAX_RECONNECT_DELAY_MS),
    reconnectOnError: ({ message }) => isReadOnly(message),
    ...(config.tls && {
      tls: {
        ...(config.tlsCaFile && { ca: readFileSync(config.tlsCaFile) }),
        ...(config.tlsCertFile && { cert: readFileSync(config.tlsCertFile) }),
        ...(config.tlsKeyFile && { key: readFileSync(config.tlsKeyFile) }),
      },
    }),
  };
  if (config.sentinels.length === 0) return { ...common, host: config.host, port: config.port };
  return {
    ...common,
    sentinels: config.sentinels.map(({ host, port }) => ({ host, port })),
    name: config.sentinelMasterName,
    sentinelCommandTimeout: config.timeoutMs,
    ...(config.sentinelUsername && { sentinelUsername: config.sentinelUsername }),
    ...(config.sentinelServerPassword && { sentinelPassword: config.sentinelServerPassword }),
    ...(config.sentinelPassword && { password: config.sentinelPassword }),
    ...(config.tls && common.tls && { enableTLSForSentinelMode: true, sentinelTLS: common.tls }),
  };
}
