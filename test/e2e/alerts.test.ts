import { afterAll, describe, expect, test } from 'bun:test';
import { hostname } from 'node:os';
import { insertCarrier } from '../support/carriers.ts';
import { onCleanup } from '../support/cleanup.ts';
import { type InfluxRow, startInflux } from '../support/influx.ts';
import { InfluxDouble } from '../support/influx-double.ts';
import { openDatabase } from '../support/mariadb.ts';
import { freePort } from '../support/net.ts';
import { registerOnce } from '../support/phone.ts';
import { startRedis } from '../support/redis.ts';
import { insertAccount, insertClient, insertSubscription } from '../support/schema.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { notFound, serviceUnavailable } from '../support/sip-registrar.ts';
import { DEADLINE_MS, health, UP } from './health.ts';
import { leading, QUICK, refresh } from './outbound.ts';
import { cli, ENCRYPTION_SECRET, influxVariables, outsideStores, startEmbedded } from './sidecar.ts';

const mysql = await openDatabase();
const redis = await startRedis();
const influx = await startInflux();
const sidecar = await startEmbedded({
  env: {
    ...outsideStores(redis, mysql),
    ...influxVariables(influx),
    ...QUICK,
    JAMBONES_HOSTING: '1',
    JAMBONES_REGBOT_FAILURE_RETRY_INTERVAL: '1',
    JAMBONES_REGBOT_REGISTER_FAILURE_THRESHOLD: '1',
    REGISTER_RESPONSE_REMOVE: '404',
    OPTIONS_RESPONSE_REMOVE: '488',
    SEND_OPTIONS_PING_INTERVAL: '1',
  },
});
await leading(sidecar);
afterAll(async () => {
  expect(await sidecar.stop()).toBe(0);
});

/** An account of a service provider, which a carrier may belong to. */
async function newAccount(webhookUrl?: string) {
  const realm = `${crypto.randomUUID()}.example.com`;
  const serviceProviderSid = crypto.randomUUID();
  const webhook = webhookUrl === undefined ? {} : { webhook: { url: webhookUrl } };
  const accountSid = await insertAccount(mysql, { realm, serviceProviderSid, ...webhook });
  const user = { user: 'carol', password: 'any-password', realm };
  return { accountSid, user, owner: { account_sid: accountSid, service_provider_sid: serviceProviderSid } };
}

/** A customer's web server that answers with a status. @returns its URL */
function webServer(status: number): string {
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response(null, { status }) });
  onCleanup(() => server.stop(true));
  return `http://127.0.0.1:${server.port}/auth`;
}

async function alertsOf({ account_sid }: { account_sid: string }): Promise<readonly InfluxRow[]> {
  return influx.points('alerts', 1, { account_sid });
}

const NOTHING = { detail: null, target_sid: null };

describe.concurrent('an alert that InfluxDB gives back', () => {
  test('webhook-failure: the web server answered with an error', async () => {
    const url = webServer(500);
    const { user, owner } = await newAccount(`${url}?token=t0ken-0f-the-w3bhook`);
    expect((await registerOnce(sidecar.sip, user)).status).toBe(503);
    const message = `${url} returned 500`;
    expect(await alertsOf(owner)).toMatchObject([{ ...owner, ...NOTHING, alert_type: 'webhook-failure', message }]);
  });

  test('webhook-connection-failure: the web server was not reached', async () => {
    const url = `http://127.0.0.1:${await freePort()}/auth`;
    const { user, owner } = await newAccount(url);
    expect((await registerOnce(sidecar.sip, user)).status).toBe(503);
    const [alert] = await alertsOf(owner);
    const message = `failed to connect to ${url}`;
    expect(alert).toMatchObject({ ...owner, alert_type: 'webhook-connection-failure', message });
    expect(alert?.detail).toContain('ECONNREFUSED');
  });

  test('account-device-limit: the account has all the devices it pays for', async () => {
    const { accountSid, user, owner } = await newAccount();
    const limit = 1;
    await insertSubscription(mysql, { accountSid, voiceCallSessions: 0, devices: limit });
    const users = ['alice', 'bob'].map((name) => ({ ...user, user: name }));
    for (const { user: username, password } of users)
      await insertClient(mysql, { accountSid, username, password, secret: ENCRYPTION_SECRET });
    const statuses: number[] = [];
    for (const one of users) statuses.push((await registerOnce(sidecar.sip, one)).status);
    expect(statuses).toEqual([200, 503]);
    const message = 'you have exceeded your account limit of 1 registered devices; please consider upgrading your plan';
    expect(await alertsOf(owner)).toMatchObject([
      { ...owner, ...NOTHING, alert_type: 'account-device-limit', message },
    ]);
  });

  test('carrier-options-failure: a gateway does not answer pings', async () => {
    const { accountSid, owner } = await newAccount();
    const peer = await SipPeer.start(() => serviceUnavailable());
    const gateway = { ipv4: peer.host, port: peer.port, send_options_ping: 1 };
    const carrier = await insertCarrier(mysql, { requires_register: 0, account_sid: accountSid }, gateway);
    await refresh(sidecar);
    const target_sid = carrier.gateways[0] ?? '';
    const message = `OPTIONS ping of gateway 127.0.0.1:${peer.port} (udp) of carrier ${carrier.sid} failed: 503 Service Unavailable`;
    expect(await alertsOf(owner)).toMatchObject([
      { ...owner, alert_type: 'carrier-options-failure', message, detail: null, target_sid },
    ]);
    await carrier.remove();
  });

  test('carrier-disabled: pings of a gateway are switched off', async () => {
    const { accountSid, owner } = await newAccount();
    const peer = await SipPeer.start(() => ({ status: 488 }));
    const gateway = { ipv4: peer.host, port: peer.port, send_options_ping: 1 };
    const carrier = await insertCarrier(mysql, { requires_register: 0, account_sid: accountSid }, gateway);
    await refresh(sidecar);
    const [alert] = await alertsOf(owner);
    expect(alert).toMatchObject({ ...owner, alert_type: 'carrier-disabled', target_sid: carrier.sid });
    expect(alert?.message).toStartWith('OPTIONS pings of gateway 127.0.0.1');
    expect(alert?.message).toContain(`of carrier ${carrier.sid} (${carrier.sid}) switched off: 488`);
    await carrier.remove();
  });

  test.each([
    ['static_ip', 'Disabling Outbound Registration for carrier'],
    ['reg', 'Deactivating carrier'],
  ])('carrier-disabled: a registration of type %s is switched off', async (trunk_type, text) => {
    const { accountSid, owner } = await newAccount();
    const peer = await SipPeer.start(notFound);
    const columns = { trunk_type, account_sid: accountSid };
    const carrier = await insertCarrier(mysql, columns, { ipv4: peer.host, port: peer.port });
    await refresh(sidecar);
    const [alert] = await alertsOf(owner);
    expect(alert).toMatchObject({ ...owner, alert_type: 'carrier-disabled', target_sid: carrier.sid });
    expect(alert?.message).toStartWith(`${text} ${carrier.sid} (sid:${carrier.sid})`);
    await carrier.remove();
  });
});

test('system_alerts has when a sidecar is online, offline and stops; a stop loses no alert', async () => {
  const [store, own] = [await startRedis(), await startInflux()];
  const variables = { ...outsideStores(store, mysql), ...influxVariables(own) };
  const stopped = await startEmbedded({ env: variables });
  const states = async () => (await own.rows('system_alerts', 'SELECT * FROM system_alerts')).map(({ state }) => state);
  await own.points('system_alerts', 1, { state: 'ONLINE' });
  await store.stop();
  await own.points('system_alerts', 1, { state: 'OFFLINE' });
  await store.start();
  await own.points('system_alerts', 2, { state: 'ONLINE' });
  const { user } = await newAccount(webServer(500));
  expect((await registerOnce(stopped.sip, user)).status).toBe(503);
  expect(await stopped.stop()).toBe(0);
  expect(await own.rows('alerts', 'SELECT * FROM alerts')).toHaveLength(1);
  expect(await states()).toEqual(['ONLINE', 'OFFLINE', 'ONLINE', 'SHUTDOWN_IN_PROGRESS']);
  const [, offline] = await own.rows('system_alerts', 'SELECT * FROM system_alerts');
  expect(offline).toMatchObject({ system_component: 'sbc-sip-sidecar', host: hostname() });
  expect(offline?.detail).toBe(
    `sbc-sip-sidecar with process id ${stopped.process.pid} is not ready: Redis does not answer`,
  );
});

describe('InfluxDB 2', () => {
  const INFLUX_2 = { JAMBONES_TIME_SERIES_ORG: 'my org', JAMBONES_TIME_SERIES_TOKEN: 'token-of-influx-2==' };

  test('gets alerts and system alerts, with the token', async () => {
    const double = InfluxDouble.start();
    const running = await startEmbedded({
      env: { ...outsideStores(redis, mysql), ...influxVariables(double), ...INFLUX_2 },
    });
    const { user, accountSid } = await newAccount(webServer(500));
    expect((await registerOnce(running.sip, user)).status).toBe(503);
    expect(await running.stop()).toBe(0);
    const writes = double.requests.filter(({ path }) => path !== '/ping');
    const bucket = (name: string) => `/api/v2/write?org=my%20org&bucket=${name}&precision=ns`;
    expect(new Set(writes.map(({ path }) => path))).toEqual(new Set([bucket('alerts'), bucket('system_alerts')]));
    for (const { method, headers } of writes)
      expect([method, headers.get('authorization')]).toEqual(['POST', 'Token token-of-influx-2==']);
    const [online, alert, shutdown] = double.lines;
    expect(online).toStartWith('system_alerts,state=ONLINE,system_component=sbc-sip-sidecar detail=');
    expect(alert).toStartWith(`alerts,account_sid=${accountSid},alert_type=webhook-failure,`);
    expect(shutdown).toStartWith('system_alerts,state=SHUTDOWN_IN_PROGRESS,');
    expect(double.lines).toHaveLength(3);
    expect(running.process.stderr).toEqual([]);
  });

  test('that refuses the token, and repeats it, is down with a reason that does not show it', async () => {
    const double = InfluxDouble.start();
    double.answer = ({ path, headers }) =>
      path === '/ping'
        ? new Response(null, { status: 204 })
        : Response.json({ message: `unauthorized: ${headers.get('authorization')}` }, { status: 401 });
    const running = await startEmbedded({ env: { ...influxVariables(double), ...INFLUX_2 } });
    await running.process.line(/InfluxDB does not answer/, DEADLINE_MS);
    expect(await health(running)).toEqual({ ...UP, alerts: expect.stringMatching(/^(unknown|down)$/) });
    const { stdout } = await cli(running, 'status');
    expect(stdout).toMatch(/Alerts: .*HTTP status 401: unauthorized: Token \*{8}/);
    expect(stdout).toMatch(/Unsaved alerts: +1 waiting, 0 dropped/);
    expect(await running.stop()).toBe(0);
    expect(running.process.lines.filter((line) => line.includes('alerts lost at the stop'))).toHaveLength(1);
    expect(running.process.stderr).toEqual([]);
  });
});

test.each([[{}], [{ JAMBONES_TIME_SERIES_HOST: 'none' }]])('with %o alerts are lines of the log only', async (env) => {
  const running = await startEmbedded({ env: { ...outsideStores(redis, mysql), ...env } });
  const { user, accountSid } = await newAccount(webServer(500));
  expect((await registerOnce(running.sip, user)).status).toBe(503);
  await running.process.line(new RegExp(`"alert":\\{"type":"webhook-failure".*"${accountSid}"`), DEADLINE_MS);
  expect(await health(running)).toEqual(UP);
  expect(await running.stop()).toBe(0);
  const states = running.process.lines.map((line) => /"systemAlert":\{"state":"(\w+)"/.exec(line)?.[1]);
  expect(states.filter((state) => state !== undefined)).toEqual(['ONLINE', 'SHUTDOWN_IN_PROGRESS']);
});
