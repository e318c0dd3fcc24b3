import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { untilReady } from '../../src/adapters/redis/connection.ts';
import { retry } from '../../src/lib/retry.ts';
import { eventually } from '../support/eventually.ts';
import { REPLY_ERRORS, TOO_MANY_CLIENTS, withinScript } from '../support/faults.ts';
import { startRedis } from '../support/redis.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { PLAIN_WORK, SCRIPT_WORK, startRedisSidecar } from './redis-sidecar.ts';

const redis = await startRedis();
const proxy = await RedisProxy.start(redis);
afterAll(() => proxy.stop());
beforeEach(async () => {
  proxy.fault = undefined;
  proxy.refuseConnections(undefined);
  await redis.client.flushall();
});

type Sidecar = Awaited<ReturnType<typeof startRedisSidecar>>;

/** A sidecar with a phone that is registered and one that has a nonce, and with work in the background to be done. */
async function start() {
  const sidecar = await startRedisSidecar(proxy.address, redis);
  await untilReady(sidecar.connection);
  const alice = sidecar.phone('alice', 'wonderland');
  expect((await alice.register({ expires: 86_400 })).status).toBe(200);
  const bob = sidecar.phone('bob', 'builder', { address: '192.0.2.8', port: 5060 });
  const challenge = await bob.send();
  await sidecar.prepare();
  /** The status, or success, of each kind of request. */
  const answers = async () => ({
    challenge: (await sidecar.phone('bob', 'builder').send()).status,
    refresh: (await alice.send({ expires: 86_400 })).status,
    registration: (await bob.send({ authorization: bob.answer(challenge) })).status,
    query: (await bob.send({ contact: null, authorization: bob.answer(challenge) })).status,
    unregistration: (await bob.send({ expires: 0, authorization: bob.answer(challenge) })).status,
    checkIns: [await sidecar.checkIn('FS'), await sidecar.checkIn('RTP')],
    drain: await sidecar.succeeds({ action: 'fs-drain', server: '10.0.0.9' }),
    undrain: await sidecar.succeeds({ action: 'fs-undrain', server: '10.0.0.9' }),
    servers: await sidecar.succeeds({ action: 'fs-list' }),
    trunks: await sidecar.succeeds({ action: 'trunk-list' }),
    registrations: await sidecar.succeeds({ action: 'reg-list' }),
    shown: await sidecar.succeeds({ action: 'reg-show', aor: 'alice@sip.example.com' }),
    removed: await sidecar.succeeds({ action: 'reg-remove', aor: 'alice@sip.example.com' }),
  });
  return { ...sidecar, answers };
}

const WELL = {
  challenge: 401,
  refresh: 200,
  registration: 200,
  query: 200,
  unregistration: 200,
  checkIns: [200, 200],
  drain: true,
  undrain: true,
  servers: true,
  trunks: true,
  registrations: true,
  shown: true,
  removed: true,
};
/** Scripts fail, plain commands do not. */
const NO_WRITES = {
  ...WELL,
  registration: 503,
  query: 503,
  unregistration: 503,
  checkIns: [503, 503],
  drain: false,
  undrain: false,
  servers: false,
  removed: false,
};
const NOTHING = { ...NO_WRITES, challenge: 503, refresh: 503, registrations: false, shown: false };

/** All is well again: phones are served, and the work in the background gets done. */
async function recovers(sidecar: Sidecar) {
  await serves(sidecar);
  await sidecar.works();
  await sidecar.stop();
}

/** `ready` alone is also the status of a connection that is about to be closed. */
function isConnected({ connection }: Sidecar): boolean {
  return connection.status === 'ready' && connection.stream.writable;
}

async function serves(sidecar: Sidecar) {
  await eventually('Redis connected', () => isConnected(sidecar) || undefined);
  const phone = sidecar.phone('alice', 'wonderland', { address: '192.0.2.9', port: 5060 });
  expect((await phone.register()).status).toBe(200);
  expect(await sidecar.checkIn('FS')).toBe(200);
  expect(await sidecar.succeeds({ action: 'fs-undrain', server: '10.0.0.9' })).toBe(true);
}

/** Lets work in the background take some turns. */
async function settles({ passSecond }: Sidecar) {
  for (let i = 0; i < 5; i++) await passSecond();
}

test('without a fault all is well', async () => {
  const sidecar = await start();
  sidecar.start();
  expect(await sidecar.answers()).toEqual(WELL);
  await recovers(sidecar);
  expect(sidecar.logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
});

describe.each(REPLY_ERRORS)('the reply $reply', ({ reply }) => {
  test('to every command: 503, and work goes on afterwards', async () => {
    const sidecar = await start();
    proxy.fault = { answer: `-${reply}`, to: 'commands' };
    sidecar.start();
    expect(await sidecar.answers()).toEqual(NOTHING);
    expect(await sidecar.fails([...SCRIPT_WORK, ...PLAIN_WORK])).toEqual([...SCRIPT_WORK, ...PLAIN_WORK].toSorted());
    proxy.fault = undefined;
    await recovers(sidecar);
  });

  test.each(withinScript(reply))(
    'of a script as $by says it: 503 to what writes, and work goes on afterwards',
    async ({ message }) => {
      const sidecar = await start();
      proxy.fault = { answer: `-${message}`, to: 'scripts' };
      sidecar.start();
      expect(await sidecar.answers()).toMatchObject({
        ...NO_WRITES,
        refresh: expect.any(Number),
        challenge: expect.any(Number),
        registrations: expect.any(Boolean),
        shown: expect.any(Boolean),
      });
      await sidecar.fails(SCRIPT_WORK);
      proxy.fault = undefined;
      await recovers(sidecar);
    },
  );

  test('from the start on is waited out', async () => {
    proxy.fault = { answer: `-${reply}`, to: 'everything' };
    const sidecar = await startRedisSidecar(proxy.address, redis);
    const { clock, logger, connection } = sidecar;
    const controller = new AbortController();
    const probe = () => untilReady(connection);
    const ready = retry(probe, { name: 'Redis', signal: controller.signal, timers: clock, logger });
    const waits = () => logger.lines.filter((l) => l.message === 'waiting for Redis').length;
    const until = (what: string, holds: () => boolean) =>
      eventually(what, () => {
        clock.advance(1000);
        return holds() || undefined;
      });
    await until('two attempts', () => waits() >= 2);
    proxy.fault = undefined;
    let isReady = false;
    void ready.then((outcome) => {
      isReady = outcome;
    });
    await until('ready', () => isReady);
    await sidecar.prepare();
    sidecar.start();
    await recovers(sidecar);
  });
});

test(`connections refused with ${TOO_MANY_CLIENTS}: 503, and work goes on afterwards`, async () => {
  const sidecar = await start();
  const closed = new Promise((resolve) => sidecar.connection.once('close', resolve));
  proxy.refuseConnections(`-${TOO_MANY_CLIENTS}`);
  await closed;
  sidecar.start();
  expect(await sidecar.answers()).toEqual(NOTHING);
  await sidecar.fails([...SCRIPT_WORK, ...PLAIN_WORK]);
  proxy.refuseConnections(undefined);
  await recovers(sidecar);
});

test.each([
  '+OK',
  '$-1\r\n$-1',
  ':1\r\n:1',
  '>1\r\n$9\r\nsubscribe',
  '>0',
  ':1',
  '$-1',
  '$3\r\n{"}',
  '*0',
  '*2\r\n:1\r\n:2',
  '*1\r\n*0',
  '_',
  '#t',
  '%0',
  'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n',
])('the nonsense %j to every command ends nothing, and phones register afterwards', async (answer) => {
  const sidecar = await start();
  proxy.fault = { answer, to: 'commands' };
  sidecar.start();
  const { challenge, refresh, registration, query, unregistration, checkIns } = await sidecar.answers();
  expect([registration, query, unregistration]).toEqual([503, 503, 503]);
  // Some of it is what Redis says of an AOR without bindings, or after a check-in.
  for (const status of [challenge, refresh]) expect([401, 503]).toContain(status);
  for (const status of checkIns) expect([200, 503]).toContain(status);
  await settles(sidecar);
  proxy.fault = undefined;
  await serves(sidecar);
  await sidecar.stop();
});
