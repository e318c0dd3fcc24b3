import { expect, test } from 'bun:test';
import { once } from 'node:events';
import { BatchingRedis } from '../../../src/adapters/redis/batching-redis.ts';
import { disposedAfterEach } from '../../support/after-each.ts';
import { sharedRedis } from '../../support/redis.ts';
import { startRelay } from '../../support/tcp-relay.ts';
import { ManualTimers } from '../../support/timers.ts';

const TIMEOUT_MS = 1000;

const server = await sharedRedis();
const resources = disposedAfterEach();

async function start() {
  const relay = await startRelay(server);
  const timers = new ManualTimers();
  const options = { host: relay.host, port: relay.port, retryStrategy: () => null, maxRetriesPerRequest: 0 };
  const redis = resources.adopt(new BatchingRedis(options, TIMEOUT_MS, timers), (client) => client.disconnect());
  redis.on('error', () => {});
  await once(redis, 'ready');
  // Ends the watch over the commands of the handshake, which are answered before this one.
  await redis.ping();
  await timers.advanceAsync(TIMEOUT_MS);
  return { relay, timers, redis };
}

test('commands of one turn of the event loop are one write', async () => {
  const { redis } = await start();
  const { stream } = redis;
  let writes = 0;
  for (const method of ['_write', '_writev'] as const) {
    const original: unknown = Reflect.get(stream, method);
    if (typeof original !== 'function') throw new Error(`a socket has no ${method}`);
    Reflect.set(stream, method, (...args: unknown[]) => {
      writes++;
      return Reflect.apply(original, stream, args);
    });
  }
  const key = crypto.randomUUID();
  await Promise.all([redis.set(key, 'a', 'PX', 1000), redis.get(key), redis.get('b')]);
  // Bun's _writev joins the chunks and calls _write.
  expect(writes).toBe(2);
  await redis.get(key);
  expect(writes).toBe(3);
});

test('a connection without a reply is closed, and its command fails', async () => {
  const { relay, timers, redis } = await start();
  relay.silent = true;
  const outcome = redis.get('a').then(
    () => 'answered',
    () => 'failed',
  );
  timers.advance(TIMEOUT_MS - 1);
  expect(redis.stream.destroyed).toBe(false);
  timers.advance(TIMEOUT_MS / 4);
  expect(redis.stream.destroyed).toBe(true);
  expect(await outcome).toBe('failed');
});

test('a connection that has nothing to wait for is not watched', async () => {
  const { timers, redis } = await start();
  await redis.get('a');
  await timers.advanceAsync(TIMEOUT_MS);
  expect(timers.pending).toBe(0);
  expect(redis.status).toBe('ready');
});
