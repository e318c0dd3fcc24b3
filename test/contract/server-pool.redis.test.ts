import { afterAll, describe, expect, test } from 'bun:test';
import { Redis } from 'ioredis';
import { RedisServerPool } from '../../src/adapters/redis/server-pool.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sharedRedis } from '../support/redis.ts';
import { ManualTimers } from '../support/timers.ts';
import { serverPoolContract } from './server-pool.ts';

const server = await sharedRedis();
const redis = new Redis({ host: server.host, port: server.port });
afterAll(() => redis.disconnect());

const SILENT_MS = 60_000;

serverPoolContract('Redis', (clock) => new RedisServerPool(redis, crypto.randomUUID(), clock, new RecordingLogger()));

describe('the sets that other services read', () => {
  function start() {
    const cluster = crypto.randomUUID();
    const clock = new ManualTimers(Date.now());
    const pool = new RedisServerPool(redis, cluster, clock, new RecordingLogger());
    const checkIn = (member: string, serviceUrl?: string, open = true) =>
      pool.checkIn({ kind: 'feature', member, open, ...(serviceUrl && { serviceUrl }) });
    const set = async (name: string) => (await redis.smembers(`${cluster}:${name}`)).sort();
    return { cluster, clock, pool, checkIn, set };
  }

  test('have the documented names and members', async () => {
    const { pool, checkIn, set } = start();
    await checkIn('10.0.0.1:5060', 'http://10.0.0.1:3000');
    await pool.checkIn({ kind: 'rtp', member: '10.0.0.8', open: true });
    expect(await set('active-fs')).toEqual(['10.0.0.1:5060']);
    expect(await set('fs-service-url')).toEqual(['http://10.0.0.1:3000']);
    expect(await set('active-rtp')).toEqual(['10.0.0.8']);
    await pool.drain('10.0.0.1');
    expect(await set('active-fs')).toEqual([]);
    expect(await set('fs-service-url')).toEqual([]);
    expect(await set('drained-fs')).toEqual(['10.0.0.1']);
    await pool.undrain('10.0.0.1', SILENT_MS);
    expect(await set('active-fs')).toEqual(['10.0.0.1:5060']);
    expect(await set('fs-service-url')).toEqual(['http://10.0.0.1:3000']);
    await checkIn('10.0.0.1:5060', 'http://10.0.0.1:3000', false);
    expect(await set('active-fs')).toEqual([]);
    expect(await set('fs-service-url')).toEqual([]);
  });

  test('keep a service URL while another active server has it', async () => {
    const { pool, checkIn, set } = start();
    const shared = 'http://api.example.com';
    await checkIn('10.0.0.1:5060', shared);
    await checkIn('10.0.0.2:5060', shared);
    await pool.drain('10.0.0.1');
    expect(await set('fs-service-url')).toEqual([shared]);
    await checkIn('10.0.0.2:5060', 'http://10.0.0.2:3000');
    expect(await set('fs-service-url')).toEqual(['http://10.0.0.2:3000']);
  });

  test('keep members and URLs of other programs for one interval without a check-in', async () => {
    const { cluster, clock, pool, checkIn, set } = start();
    await redis.sadd(`${cluster}:active-fs`, '10.0.0.1:5060', '10.0.0.2:5060');
    await redis.sadd(`${cluster}:fs-service-url`, 'http://10.0.0.1:3000', 'http://10.0.0.2:3000');
    expect((await pool.featureServers()).servers[0]).toEqual({ member: '10.0.0.1:5060', ip: '10.0.0.1', active: true });
    await pool.expire('feature', SILENT_MS);
    expect((await pool.featureServers()).servers[0]).toEqual({ member: '10.0.0.1:5060', ip: '10.0.0.1', active: true });
    clock.advance(SILENT_MS + 1);
    await checkIn('10.0.0.1:5060', 'http://10.0.0.1:3000');
    expect(await pool.expire('feature', SILENT_MS)).toEqual(['10.0.0.2:5060']);
    expect(await set('active-fs')).toEqual(['10.0.0.1:5060']);
    expect(await set('fs-service-url')).toEqual(['http://10.0.0.1:3000']);
    expect(await redis.exists(`sidecar:${cluster}:fs-stray-urls`)).toBe(0);
  });

  test('keep what another program added for exactly the interval', async () => {
    const { cluster, clock, pool, set } = start();
    const url = 'http://10.0.0.1:3000';
    await redis.sadd(`${cluster}:active-fs`, '10.0.0.1:5060');
    await redis.sadd(`${cluster}:fs-service-url`, url);
    expect(await pool.expire('feature', SILENT_MS)).toEqual([]);
    expect(await redis.hkeys(`sidecar:${cluster}:fs-stray-urls`)).toEqual([url]);
    clock.advance(SILENT_MS);
    expect(await pool.expire('feature', SILENT_MS)).toEqual([]);
    expect(await set('fs-service-url')).toEqual([url]);
    clock.advance(1);
    expect(await pool.expire('feature', SILENT_MS)).toEqual(['10.0.0.1:5060']);
    expect(await set('fs-service-url')).toEqual([]);
  });

  test('have no URL of a server that names none', async () => {
    const { pool, checkIn, set } = start();
    await checkIn('10.0.0.1:5060');
    expect(await set('fs-service-url')).toEqual([]);
    await pool.drain('10.0.0.1');
    await pool.undrain('10.0.0.1', SILENT_MS);
    expect(await set('active-fs')).toEqual(['10.0.0.1:5060']);
    expect(await set('fs-service-url')).toEqual([]);
  });

  test('lose a drained server and its URL with its next check-in when another program put them there', async () => {
    const { cluster, pool, checkIn, set } = start();
    const url = 'http://10.0.0.1:3000';
    await pool.drain('10.0.0.1');
    await redis.sadd(`${cluster}:active-fs`, '10.0.0.1:5060');
    await redis.sadd(`${cluster}:fs-service-url`, url);
    expect(await checkIn('10.0.0.1:5060', url)).toEqual({ members: 0, change: 'left' });
    expect(await set('active-fs')).toEqual([]);
    expect(await set('fs-service-url')).toEqual([]);
  });

  test('lose a server and its URL when it closes, although it has never checked in', async () => {
    const { cluster, checkIn, set } = start();
    const url = 'http://10.0.0.1:3000';
    await redis.sadd(`${cluster}:active-fs`, '10.0.0.1:5060');
    await redis.sadd(`${cluster}:fs-service-url`, url);
    expect(await checkIn('10.0.0.1:5060', url, false)).toEqual({ members: 0, change: 'left' });
    expect(await set('fs-service-url')).toEqual([]);
  });

  test('do not get back a server that left them itself when an IP is undrained that was not drained', async () => {
    const { cluster, pool, checkIn, set } = start();
    await checkIn('10.0.0.1:5060');
    await redis.srem(`${cluster}:active-fs`, '10.0.0.1:5060');
    await pool.undrain('10.0.0.1', SILENT_MS);
    expect(await set('active-fs')).toEqual([]);
  });

  test('lose the URL of a server that left them itself', async () => {
    const { cluster, clock, pool, checkIn, set } = start();
    await checkIn('10.0.0.1:5060', 'http://10.0.0.1:3000');
    await redis.srem(`${cluster}:active-fs`, '10.0.0.1:5060');
    clock.advance(SILENT_MS + 1);
    await pool.expire('feature', SILENT_MS);
    expect(await set('fs-service-url')).toEqual([]);
  });

  test('do not get a URL from a stored check-in whose URL is not text', async () => {
    const { cluster, clock, pool, set } = start();
    await redis.hset(`sidecar:${cluster}:fs`, '10.0.0.1:5060', JSON.stringify({ at: clock.now(), url: 7 }));
    await pool.drain('10.0.0.1');
    await pool.undrain('10.0.0.1', SILENT_MS);
    expect(await set('active-fs')).toEqual(['10.0.0.1:5060']);
    expect(await set('fs-service-url')).toEqual([]);
  });

  test('lose the URLs of a drained server that has not checked in yet', async () => {
    const { cluster, pool, set } = start();
    await redis.sadd(`${cluster}:active-fs`, '10.0.0.1:5060', '[2001:db8::1]:5060');
    await redis.sadd(`${cluster}:fs-service-url`, 'http://10.0.0.1:3000', 'http://[2001:db8::1]:3000', 'http://b:3000');
    await pool.drain('10.0.0.1');
    expect(await set('fs-service-url')).toEqual(['http://[2001:db8::1]:3000', 'http://b:3000']);
    await pool.drain('2001:db8::1');
    expect(await set('fs-service-url')).toEqual(['http://b:3000']);
    expect(await set('active-fs')).toEqual([]);
  });

  test('lose a drained server that another program put there, with its URL, when we start', async () => {
    const { cluster, pool, set } = start();
    await redis.sadd(`${cluster}:active-fs`, '10.0.0.1:5060', '10.0.0.2:5060');
    await redis.sadd(`${cluster}:fs-service-url`, 'http://10.0.0.1:3000', 'http://10.0.0.2:3000');
    await redis.sadd(`${cluster}:drained-fs`, '10.0.0.1');
    const { servers } = await pool.featureServers();
    expect(servers.map(({ member, active }) => [member, active])).toEqual([
      ['10.0.0.1:5060', false],
      ['10.0.0.2:5060', true],
    ]);
    await pool.expire('feature', SILENT_MS);
    expect(await set('active-fs')).toEqual(['10.0.0.2:5060']);
    expect(await set('fs-service-url')).toEqual(['http://10.0.0.2:3000']);
  });

  test('malformed check-ins are skipped and logged once a server', async () => {
    const { cluster, clock, checkIn } = start();
    const log = new RecordingLogger();
    const pool = new RedisServerPool(redis, cluster, clock, log);
    await checkIn('10.0.0.1:5060', 'http://10.0.0.1:3000');
    const broken = ['}{', '7', 'null', '{"at":"soon","url":7,"calls":"many"}'];
    for (const [i, json] of broken.entries()) {
      await redis.sadd(`${cluster}:active-fs`, `10.0.1.${i}:5060`);
      await redis.hset(`sidecar:${cluster}:fs`, `10.0.1.${i}:5060`, json);
    }
    for (let i = 0; i < 2; i++) expect((await pool.featureServers()).servers).toHaveLength(5);
    expect(log.lines.map(({ level }) => level)).toEqual(['warn', 'warn', 'warn']);
    expect(await pool.drain('10.0.1.3')).toEqual(['10.0.1.3']);
    expect(await pool.undrain('10.0.1.3', SILENT_MS)).toEqual([]);
    expect(await pool.expire('feature', SILENT_MS)).toEqual(['10.0.1.0:5060', '10.0.1.1:5060', '10.0.1.2:5060']);
    expect((await pool.featureServers()).servers.map(({ member }) => member)).toEqual(['10.0.0.1:5060']);
  });

  test('in Kubernetes are counted by their UUIDs', async () => {
    const { pool } = start();
    expect(await pool.inKubernetes()).toBe(0);
    await redis.sadd('fsUUIDs', crypto.randomUUID(), crypto.randomUUID());
    expect(await pool.inKubernetes()).toBe(2);
    await redis.del('fsUUIDs');
  });

  test('may be left by a server itself, which is then neither active nor drained', async () => {
    const { cluster, pool, checkIn } = start();
    await checkIn('10.0.0.1:5060');
    await redis.srem(`${cluster}:active-fs`, '10.0.0.1:5060');
    expect((await pool.featureServers()).servers).toEqual([]);
  });
});
