import { describe, expect, test } from 'bun:test';
import { ReplyError } from 'ioredis';
import { ask, connectRedis, untilReady } from '../../../src/adapters/redis/connection.ts';
import { RedisEphemeralGateways } from '../../../src/adapters/redis/ephemeral-gateways.ts';
import { RedisGatewayBlacklist } from '../../../src/adapters/redis/gateway-blacklist.ts';
import { RedisLease } from '../../../src/adapters/redis/lease.ts';
import type { Config } from '../../../src/config/index.ts';
import { QueryFault, Unavailable } from '../../../src/ports/errors.ts';
import { disposedAfterEach } from '../../support/after-each.ts';
import { REPLY_ERRORS, withinScript } from '../../support/faults.ts';
import { RecordingLogger } from '../../support/logger.ts';
import { sharedRedis, startRedis } from '../../support/redis.ts';
import { ManualTimers } from '../../support/timers.ts';

const resources = disposedAfterEach();

function connect(changes: Partial<Config['redis']>) {
  const logger = new RecordingLogger();
  const config = { ...DEFAULTS, ...changes };
  return { logger, redis: resources.adopt(connectRedis(config, logger), (client) => client.disconnect()) };
}

const DEFAULTS: Config['redis'] = {
  host: '127.0.0.1',
  port: 6379,
  username: '',
  password: '',
  sentinels: [],
  sentinelMasterName: 'main',
  sentinelUsername: '',
  sentinelPassword: '',
  sentinelServerPassword: '',
  tls: false,
  tlsCaFile: '',
  tlsCertFile: '',
  tlsKeyFile: '',
  timeoutMs: 1000,
};

function replyError(message: string): Error {
  return new ReplyError(message);
}

describe('commands', () => {
  test.each(REPLY_ERRORS)('fail as $outcome by the reply $reply, within a script too', async ({ reply, outcome }) => {
    for (const message of [reply, ...withinScript(reply).map(({ message }) => message)]) {
      const error = await ask(() => Promise.reject(replyError(message))).catch((e: unknown) => e);
      expect([
        message,
        error instanceof QueryFault ? error.code : error instanceof Unavailable && 'Unavailable',
      ]).toEqual([message, outcome]);
    }
  });

  test('fail as they are by a fault of our own code', async () => {
    const fault = new TypeError('not a function');
    await expect(ask(() => Promise.reject(fault))).rejects.toBe(fault);
  });

  test('of every store are Unavailable without Redis', async () => {
    const { host, port } = await sharedRedis();
    const { redis } = connect({ host, port });
    await untilReady(redis);
    redis.disconnect();
    const gateways = new RedisEphemeralGateways(redis, new ManualTimers());
    const blacklist = new RedisGatewayBlacklist(redis);
    const lease = new RedisLease(redis, 'c');
    for (const command of [
      () => gateways.set('192.0.2.1', 'a', 1000),
      () => gateways.remove('192.0.2.1', 'a'),
      () => blacklist.add('g', 1),
      () => blacklist.remove('g'),
      () => lease.release('t'),
    ])
      await expect(command()).rejects.toThrow(Unavailable);
  });
});

describe('the connection', () => {
  test('is ready once Redis has answered, with the given password', async () => {
    const { host, port } = await startRedis({ password: 'password of Redis' });
    const { redis } = connect({ host, port, password: 'password of Redis' });
    await untilReady(redis);
    expect(await redis.set('key', 'value')).toBe('OK');
    const wrong = connect({ host, port, password: 'a wrong guess' });
    await expect(untilReady(wrong.redis)).rejects.toThrow();
    expect(JSON.stringify(wrong.logger.lines)).not.toContain('guess');
  });

  test('fails its commands while Redis is away, those under way too, and takes them again when it is back', async () => {
    const server = await startRedis();
    const { redis } = connect({ host: server.host, port: server.port });
    await untilReady(redis);
    await server.kill('SIGSTOP');
    const underWay = ask(() => redis.get('key')).catch((error: unknown) => error);
    const closed = new Promise((resolve) => redis.once('close', resolve));
    await server.kill('SIGKILL');
    await closed;
    expect(await underWay).toBeInstanceOf(Unavailable);
    await expect(ask(() => redis.get('key'))).rejects.toThrow(Unavailable);
    const ready = new Promise((resolve) => redis.once('ready', resolve));
    await server.start();
    await ready;
    expect(await ask(() => redis.get('key'))).toBeNull();
    redis.disconnect();
    await expect(untilReady(redis)).rejects.toThrow(Unavailable);
  });

  test.each(['a command', 'a script'])('is made anew when Redis has become a replica, seen by %s', async (how) => {
    const server = await startRedis();
    const { redis } = connect({ host: server.host, port: server.port });
    await untilReady(redis);
    await server.client.call('REPLICAOF', '127.0.0.1', '1');
    const closed = new Promise((resolve) => redis.once('close', resolve));
    const write = () => (how === 'a command' ? redis.set('k', 'v') : redis.eval("redis.call('SET', 'k', 'v')", 0));
    await expect(ask(write)).rejects.toThrow(Unavailable);
    await closed;
    await server.client.call('REPLICAOF', 'NO', 'ONE');
    await new Promise((resolve) => redis.once('ready', resolve));
    expect(await ask(() => redis.set('k', 'v'))).toBe('OK');
  });

  test('is tried again after a delay that doubles up to 2 s', () => {
    const { redis } = connect({});
    const delays = [1, 2, 3, 4, 5, 6, 7, 1000].map((attempt) => redis.options.retryStrategy?.(attempt));
    expect(delays).toEqual([100, 200, 400, 800, 1600, 2000, 2000, 2000]);
  });

  test('by sentinels has the passwords of the sentinels and of the master apart', () => {
    const sentinels = [{ host: '127.0.0.1', port: 1 }];
    const given = { sentinels, sentinelUsername: 'watcher', sentinelServerPassword: 'sentinel', password: 'plain' };
    const { redis } = connect(given);
    expect(redis.options).toMatchObject({
      sentinels,
      name: 'main',
      sentinelUsername: 'watcher',
      sentinelPassword: 'sentinel',
      password: 'plain',
    });
    expect(connect({ ...given, sentinelPassword: 'master' }).redis.options).toMatchObject({
      password: 'master',
      sentinelPassword: 'sentinel',
    });
  });

  test('by sentinels uses TLS to both or to neither', () => {
    const sentinels = [{ host: '127.0.0.1', port: 1 }];
    const { options } = connect({ sentinels, tls: true }).redis;
    expect(options).toMatchObject({ tls: {}, enableTLSForSentinelMode: true, sentinelTLS: {} });
    expect(connect({ sentinels }).redis.options.enableTLSForSentinelMode).toBe(false);
  });
});
