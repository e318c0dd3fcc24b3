import { describe, expect, test } from 'bun:test';
import { openDatabase } from '../support/mariadb.ts';
import { registerOnce, type User } from '../support/phone.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { startSentinels } from '../support/sentinels.ts';
import { startRelay, type TcpRelay } from '../support/tcp-relay.ts';
import { checkIn, complaints, DEADLINE_MS, health, isLoggedOnce, newUser, UP } from './health.ts';
import { openProduction } from './production.ts';
import { outsideStores, type RunningSidecar, startEmbedded } from './sidecar.ts';

const mysql = await openDatabase();

interface World {
  readonly sidecar: RunningSidecar;
  readonly redis: RedisServer;
  readonly redisRelay: TcpRelay;
  readonly mysqlRelay: TcpRelay;
  /** Registered once, so that its rows are cached. */
  readonly alice: User;
  /** Not looked up yet. */
  readonly bob: User;
}

async function start(env: Readonly<Record<string, string>> = {}): Promise<World> {
  const redis = await startRedis();
  const redisRelay = await startRelay(redis);
  const mysqlRelay = await startRelay(mysql);
  const stores = outsideStores({ ...redis, ...address(redisRelay) }, { ...mysql, ...address(mysqlRelay) });
  const sidecar = await startEmbedded({ env: { ...stores, JAMBONES_MYSQL_REFRESH_TTL: '0', ...env } });
  const [alice, bob] = await Promise.all([newUser(mysql), newUser(mysql)]);
  expect((await registerOnce(sidecar.sip, alice)).status).toBe(200);
  return { sidecar, redis, redisRelay, mysqlRelay, alice, bob };
}

function address({ host, port }: TcpRelay) {
  return { host, port };
}

const NO_STORE = { ...UP, readiness: 'not ready', code: 5, store: 'down' };
const NO_DATABASE = { ...UP, readiness: 'degraded', database: 'down' };

type Fault = (world: World) => Promise<unknown> | undefined;
type Row = readonly [what: string, begin: Fault, end: Fault];

const REDIS: readonly Row[] = [
  ['is gone', ({ redis }) => redis.stop(), ({ redis }) => redis.start()],
  ['hangs', ({ redis }) => redis.kill('SIGSTOP'), ({ redis }) => redis.kill('SIGCONT')],
  ['is cut off', ({ redisRelay }) => redisRelay.cut(), ({ redisRelay }) => redisRelay.mend()],
  ['is behind a network that drops everything', silence('redisRelay', true), silence('redisRelay', false)],
  ['takes 2 s for an answer', delay('redisRelay', 2_000), delay('redisRelay', 0)],
  [
    'has become a replica',
    ({ redis }) => redis.client.replicaof('127.0.0.1', 1),
    ({ redis }) => redis.client.replicaof('NO', 'ONE'),
  ],
  [
    'has no memory left',
    ({ redis }) => redis.client.config('SET', 'maxmemory', '1'),
    ({ redis }) => redis.client.config('SET', 'maxmemory', '0'),
  ],
  // Single errors are in faults.test.ts, all of them in test/faults.
];

describe('an outage of Redis: phones are answered 503', () => {
  for (const [what, begin, end] of REDIS)
    test(`Redis ${what}`, async () => {
      const world = await start();
      const { sidecar, alice } = world;
      const { process } = sidecar;
      const from = process.lines.length;
      await begin(world);
      expect((await registerOnce(sidecar.sip, alice)).status).toBe(503);
      await process.line(/Redis does not answer/, DEADLINE_MS, from);
      expect(await health(sidecar)).toEqual(NO_STORE);
      for (let i = 0; i < 10; i++) {
        expect((await registerOnce(sidecar.sip, alice)).status).toBe(503);
        expect(await checkIn(sidecar, 'FS')).toBe('SIP/2.0 503');
      }
      await end(world);
      await process.line(/Redis answers again/, DEADLINE_MS, from);
      expect((await registerOnce(sidecar.sip, alice)).status).toBe(200);
      expect(await health(sidecar)).toEqual(UP);
      isLoggedOnce('Redis does not answer', complaints(process, from));
      expect(await sidecar.stop()).toBe(0);
    });
});

test('a Redis that takes 300 ms for an answer serves', async () => {
  const { sidecar, redisRelay, alice, bob } = await start();
  const from = sidecar.process.lines.length;
  redisRelay.delayMs = 300;
  for (const user of [alice, bob]) expect((await registerOnce(sidecar.sip, user)).status).toBe(200);
  expect(await health(sidecar)).toEqual(UP);
  expect(complaints(sidecar.process, from)).toEqual([]);
  expect(await sidecar.stop()).toBe(0);
});

const MYSQL: readonly Row[] = [
  ['is gone', () => mysql.stop(), () => mysql.start()],
  ['hangs', () => mysql.pause(), async () => mysql.resume()],
  ['is cut off', ({ mysqlRelay }) => mysqlRelay.cut(), ({ mysqlRelay }) => mysqlRelay.mend()],
  ['is behind a network that drops everything', silence('mysqlRelay', true), silence('mysqlRelay', false)],
  ['takes 3 s for an answer', delay('mysqlRelay', 3_000), delay('mysqlRelay', 0)],
];

describe('an outage of MySQL: cached rows serve on', () => {
  for (const [what, begin, end] of MYSQL)
    test(`MySQL ${what}`, async () => {
      const world = await start();
      const { sidecar, alice, bob } = world;
      const { process } = sidecar;
      const from = process.lines.length;
      await begin(world);
      try {
        expect((await registerOnce(sidecar.sip, alice)).status).toBe(200);
        await process.line(/MySQL does not answer/, DEADLINE_MS, from);
        expect(await health(sidecar)).toEqual(NO_DATABASE);
        for (let i = 0; i < 10; i++) expect((await registerOnce(sidecar.sip, alice)).status).toBe(200);
        expect((await registerOnce(sidecar.sip, bob)).status).toBe(503);
      } finally {
        await end(world);
      }
      await process.line(/MySQL answers again/, DEADLINE_MS, from);
      expect((await registerOnce(sidecar.sip, bob)).status).toBe(200);
      expect(await health(sidecar)).toEqual(UP);
      isLoggedOnce('MySQL does not answer', complaints(process, from));
      expect(await sidecar.stop()).toBe(0);
    });
});

test('the master behind the sentinels is killed: the next one serves', async () => {
  const cluster = await startSentinels();
  const [master, replica] = cluster.servers;
  const { JAMBONES_REDIS_HOST: _host, JAMBONES_REDIS_PORT: _port, ...stores } = outsideStores(master, mysql);
  const sidecar = await startEmbedded({
    env: {
      ...stores,
      JAMBONES_REDIS_SENTINELS: cluster.sentinels,
      JAMBONES_REDIS_SENTINEL_MASTER_NAME: cluster.masterName,
    },
  });
  const { process } = sidecar;
  const alice = await newUser(mysql);
  expect((await registerOnce(sidecar.sip, alice)).status).toBe(200);
  const from = process.lines.length;
  await master.kill('SIGKILL');
  await process.line(/Redis does not answer/, DEADLINE_MS, from);
  expect(await health(sidecar)).toEqual(NO_STORE);
  await cluster.promoted(replica);
  await process.line(/Redis answers again/, DEADLINE_MS, from);
  expect((await registerOnce(sidecar.sip, alice)).status).toBe(200);
  expect(await replica.client.get(`user:alice@${alice.realm}`)).toContain('alice');
  expect(await sidecar.stop()).toBe(0);
});

describe('at start', () => {
  test('without Redis and MySQL it waits, says so, and is ready once both answer', async () => {
    await using production = await openProduction();
    const { redis, startSidecar, startDrachtio } = production;
    const { sip } = await startDrachtio();
    const alice = await newUser(production.mysql);
    await Promise.all([redis.stop(), mysql.stop()]);
    const sidecar = await startSidecar();
    await sidecar.line(/waiting for Redis/, DEADLINE_MS);
    await sidecar.line(/waiting for MySQL/, DEADLINE_MS);
    const nothing = { readiness: 'not ready', code: 5, sip: 'unknown', store: 'unknown', database: 'unknown' };
    expect(await health(production)).toEqual(nothing);
    await redis.start();
    await sidecar.line(/waiting for MySQL/, DEADLINE_MS, sidecar.lines.length);
    expect(await health(production)).toEqual({ ...nothing, store: 'up' });
    await mysql.start();
    await sidecar.line(/"ready"/, DEADLINE_MS);
    expect(await health(production)).toEqual(UP);
    expect((await registerOnce(sip, alice)).status).toBe(200);
  });

  test('without drachtio it waits, says so, and is ready once drachtio answers', async () => {
    await using production = await openProduction();
    const { startSidecar, startDrachtio } = production;
    const sidecar = await startSidecar();
    await sidecar.line(/drachtio connection/, DEADLINE_MS);
    expect(await health(production)).toEqual({ ...UP, readiness: 'not ready', code: 5, sip: 'unknown' });
    const { sip } = await startDrachtio();
    await sidecar.line(/"ready"/, DEADLINE_MS);
    expect((await registerOnce(sip, await newUser(production.mysql))).status).toBe(200);
    expect(await health(production)).toEqual(UP);
  });
});

test('an outage of drachtio is two lines, and it is ready again', async () => {
  await using production = await openProduction();
  const { startSidecar, startDrachtio } = production;
  const { server } = await startDrachtio();
  const sidecar = await startSidecar();
  await sidecar.line(/"ready"/, DEADLINE_MS);
  const from = sidecar.lines.length;
  await server.stop();
  await sidecar.line(/drachtio does not answer/, DEADLINE_MS);
  expect(await health(production)).toEqual({ ...UP, readiness: 'not ready', code: 5, sip: 'down' });
  const { sip } = await startDrachtio();
  await sidecar.line(/drachtio answers again/, DEADLINE_MS);
  expect((await registerOnce(sip, await newUser(production.mysql))).status).toBe(200);
  expect(await health(production)).toEqual(UP);
  expect(complaints(sidecar, from)).toEqual(['drachtio does not answer']);
});

function silence(relay: 'redisRelay' | 'mysqlRelay', silent: boolean): Fault {
  return async (world) => {
    world[relay].silent = silent;
  };
}

function delay(relay: 'redisRelay' | 'mysqlRelay', delayMs: number): Fault {
  return async (world) => {
    world[relay].delayMs = delayMs;
  };
}
