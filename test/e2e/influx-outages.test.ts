import { describe, expect, test } from 'bun:test';
import { onCleanup } from '../support/cleanup.ts';
import { type InfluxServer, startInflux } from '../support/influx.ts';
import { failure, InfluxDouble, noContent } from '../support/influx-double.ts';
import { openDatabase } from '../support/mariadb.ts';
import { registerOnce, type User } from '../support/phone.ts';
import { startRedis } from '../support/redis.ts';
import { insertAccount } from '../support/schema.ts';
import { startRelay, type TcpRelay } from '../support/tcp-relay.ts';
import { complaints, DEADLINE_MS, health, newUser, UP } from './health.ts';
import { influxVariables, outsideStores, type RunningSidecar, startEmbedded } from './sidecar.ts';

const mysql = await openDatabase();
const redis = await startRedis();

const SAVED = { ...UP, alerts: 'up' };
const DOWN = { ...UP, alerts: 'down' };
/** Two lines for each outage, however many alerts were raised meanwhile. */
const OUTAGE = ['InfluxDB does not answer', 'InfluxDB answers again'];

/** A customer's web server, which fails: each call raises an alert. */
const customer = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response(null, { status: 500 }) });
onCleanup(() => customer.stop(true));

/** A user whose REGISTER raises an alert. */
async function alertingUser(): Promise<User & { readonly account: string }> {
  const realm = `${crypto.randomUUID()}.example.com`;
  const account = await insertAccount(mysql, { realm, webhook: { url: `http://127.0.0.1:${customer.port}/auth` } });
  return { user: 'carol', password: 'any-password', realm, account };
}

/** Raises an alert. @returns the account_sid in it */
async function raise({ sip }: RunningSidecar): Promise<string> {
  const user = await alertingUser();
  expect((await registerOnce(sip, user)).status).toBe(503);
  return user.account;
}

function start(influx: { host: string; port: number }): Promise<RunningSidecar> {
  return startEmbedded({ env: { ...outsideStores(redis, mysql), ...influxVariables(influx) } });
}

function outageLines({ process }: RunningSidecar): string[] {
  return process.lines
    .filter((line) => line.startsWith('{'))
    .flatMap((line) => {
      const { level, msg }: { level: number; msg: string } = JSON.parse(line);
      return level >= 30 && /InfluxDB|alerts/.test(msg) ? [msg] : [];
    });
}

interface World {
  readonly influx: InfluxServer;
  readonly relay: TcpRelay;
}

type Fault = (world: World) => Promise<unknown> | undefined;

const ROWS: readonly (readonly [what: string, begin: Fault, end: Fault])[] = [
  ['goes down', ({ influx }) => influx.stop(), ({ influx }) => influx.start()],
  ['hangs', ({ influx }) => influx.pause(), async ({ influx }) => influx.resume()],
  ['is cut off', ({ relay }) => relay.cut(), ({ relay }) => relay.mend()],
  ['is behind a network that drops everything', silence(true), silence(false)],
];

describe.concurrent('an outage of InfluxDB: phones are served, and alerts are saved later', () => {
  test.each(ROWS)('InfluxDB %s', async (_, begin, end) => {
    const influx = await startInflux();
    const relay = await startRelay(influx);
    const sidecar = await start(relay);
    const before = await raise(sidecar);
    await influx.points('alerts', 1, { account_sid: before });
    expect(await health(sidecar)).toEqual(SAVED);
    await begin({ influx, relay });
    const during = await raise(sidecar);
    await sidecar.process.line(/InfluxDB does not answer/, DEADLINE_MS);
    expect(await health(sidecar)).toEqual(DOWN);
    const alice = await newUser(mysql);
    for (let i = 0; i < 5; i++) expect((await registerOnce(sidecar.sip, alice)).status).toBe(200);
    const later = await raise(sidecar);
    await end({ influx, relay });
    await sidecar.process.line(/InfluxDB answers again/, DEADLINE_MS);
    for (const account_sid of [during, later]) await influx.points('alerts', 1, { account_sid });
    expect(await health(sidecar)).toEqual(SAVED);
    expect(outageLines(sidecar)).toEqual(OUTAGE);
    expect(await sidecar.stop()).toBe(0);
  });

  test('InfluxDB is down at the start: the sidecar is ready without it', async () => {
    const influx = await startInflux({ started: false });
    const sidecar = await start(influx);
    expect(await health(sidecar)).toEqual({ ...UP, alerts: 'unknown' });
    const alice = await newUser(mysql);
    expect((await registerOnce(sidecar.sip, alice)).status).toBe(200);
    const account_sid = await raise(sidecar);
    await influx.start();
    await sidecar.process.line(/InfluxDB answers again/, DEADLINE_MS);
    await influx.points('alerts', 1, { account_sid });
    await influx.points('system_alerts', 1, { state: 'ONLINE' });
    expect(outageLines(sidecar)).toEqual(OUTAGE);
    expect(await sidecar.stop()).toBe(0);
  });

  test.each([
    ['500 for everything', () => failure(500, { error: 'timeout' })],
    ['503 for writes', () => forWrites(failure(503, { error: 'engine is closed' }))],
    ['401 for writes', () => forWrites(failure(401, { error: 'authorization failed' }))],
    ['a page of another web server', () => () => new Response('<html></html>')],
  ] as const)('InfluxDB answers %s', async (_, fault) => {
    const influx = InfluxDouble.start();
    const sidecar = await start(influx);
    await sidecar.process.line(/"ready"/, DEADLINE_MS);
    influx.answer = fault();
    const account = await raise(sidecar);
    await sidecar.process.line(/InfluxDB does not answer/, DEADLINE_MS);
    influx.answer = noContent;
    await sidecar.process.line(/InfluxDB answers again/, DEADLINE_MS);
    expect(outageLines(sidecar)).toEqual(OUTAGE);
    expect(await sidecar.stop()).toBe(0);
    expect(influx.lines.filter((line) => line.includes(account)).length).toBeGreaterThan(0);
  });
});

test('points that InfluxDB refuses are dropped, and later ones are saved', async () => {
  const influx = InfluxDouble.start();
  influx.answer = forWrites(failure(400, { error: 'field type conflict' }));
  const sidecar = await start(influx);
  await raise(sidecar);
  await sidecar.process.line(/saving of alerts failed/, DEADLINE_MS);
  influx.answer = noContent;
  const account = await raise(sidecar);
  expect(await health(sidecar)).toEqual(SAVED);
  expect(await sidecar.stop()).toBe(0);
  expect(influx.lines.at(-2)).toContain(account);
  expect(complaints(sidecar.process, 0, /InfluxDB|saving/)).toEqual(['saving of alerts failed']);
});

test('a stop during an outage waits no longer than a few seconds, and says what is lost', async () => {
  const influx = await startInflux();
  const sidecar = await start(influx);
  await influx.points('system_alerts', 1);
  await influx.pause();
  await raise(sidecar);
  expect(await sidecar.stop()).toBe(0);
  influx.resume();
  expect(complaints(sidecar.process, 0, /lost/)).toEqual(['alerts lost at the stop']);
});

function forWrites(answer: InfluxDouble['answer']): InfluxDouble['answer'] {
  return (request) => (request.path === '/ping' ? noContent() : answer(request));
}

function silence(silent: boolean): Fault {
  return async ({ relay }) => {
    relay.silent = silent;
  };
}
