import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Redis, type RedisOptions } from 'ioredis';
import type { Config } from '../../config/index.ts';
import type { Logger } from '../../lib/logger.ts';
import { isOwnFault } from '../../lib/own-fault.ts';
import { DependencyError, Unavailable } from '../../ports/errors.ts';
import { isReadOnly, replyFault } from './reply-error.ts';
import { guardReplies } from './reply-guard.ts';

type Options = Omit<RedisOptions, 'replyMapping'>;

/** Without an answer for this long the connection is closed and pending commands fail, milliseconds. */
const ANSWER_TIMEOUT_MS = 2000;
const CONNECT_TIMEOUT_MS = 3000;
const MAX_RECONNECT_DELAY_MS = 2000;

/** Connects to the server, or to the master named by the sentinels. Reconnects for ever; meanwhile commands fail. */
export function connectRedis(config: Config['redis'], logger: Logger): Redis {
  guardReplies();
  const redis = new Redis(optionsFor(config));
  // Log the message only: an ioredis error contains the failed command, which may be AUTH.
  redis.on('error', (error: Error) => logger.warn({ why: error.message }, 'Redis connection'));
  redis.on('ready', () => logger.info({}, 'Redis connected'));
  return redis;
}

/** Resolves when Redis answers; rejects when the connection attempt under way fails. */
export async function untilReady(redis: Redis): Promise<void> {
  if (redis.status === 'connecting' || redis.status === 'connect') await once(redis, 'ready');
  await ask(() => redis.ping());
}

/**
 * Runs commands.
 * @throws Unavailable when Redis cannot be asked, QueryFault when it answers with an error
 */
export async function ask<T>(commands: () => Promise<T>): Promise<T> {
  try {
    return await commands();
  } catch (error) {
    if (isOwnFault(error) || error instanceof DependencyError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw error instanceof Error && error.name === 'ReplyError' ? replyFault(why) : new Unavailable('Redis', why);
  }
}

function optionsFor(config: Config['redis']): Options {
  const common: Options = {
    ...(config.username && { username: config.username }),
    ...(config.password && { password: config.password }),
    // One timer per connection: a timer per command would cost more than the command.
    socketTimeout: ANSWER_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    enableAutoPipelining: true,
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
    sentinelCommandTimeout: ANSWER_TIMEOUT_MS,
    ...(config.sentinelUsername && { sentinelUsername: config.sentinelUsername }),
    ...(config.sentinelServerPassword && { sentinelPassword: config.sentinelServerPassword }),
    ...(config.sentinelPassword && { password: config.sentinelPassword }),
    ...(config.tls && common.tls && { enableTLSForSentinelMode: true, sentinelTLS: common.tls }),
  };
}
