import { describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { tcpServer } from '../adapters/statsd/support.ts';
import { sidecarBinary } from '../support/binary.ts';
import { CARRIER_PASSWORD } from '../support/carriers.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { eventually } from '../support/eventually.ts';
import { openDatabase } from '../support/mariadb.ts';
import { freePort } from '../support/net.ts';
import { Phone, registerOnce } from '../support/phone.ts';
import { spawnProcess } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { Registrar } from '../support/sip-registrar.ts';
import { request } from '../support/sip-request.ts';
import { UdpPeer } from '../support/wire.ts';
import { newUser } from './health.ts';
import { QUICK } from './outbound.ts';
import { openProduction } from './production.ts';
import { fileWith, outsideStores, startEmbedded } from './sidecar.ts';

const ALICE = { user: 'alice', password: 'wonderland', realm: 'one.test' };
const ACCOUNT = `
[[account]]
realm = "one.test"
[[account.client]]
username = "alice"
password = "wonderland"
`;

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** A client of the HTTP server at a port. */
class Http {
  constructor(private readonly port: number) {}

  async get(path: string): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`);
    const body: Record<string, unknown> = JSON.parse(await response.text());
    return { status: response.status, body };
  }

  /** Until /readyz has this status. @returns its body */
  readyz(status: number): Promise<Record<string, unknown>> {
    return eventually(`/readyz with ${status}`, async () => {
      const answer = await this.get('/readyz').catch(() => undefined);
      return answer?.status === status ? answer.body : undefined;
    });
  }

  async scrape(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.port}/metrics`)).text();
  }

  /** The samples of the metrics: name and labels → value. */
  async metrics(): Promise<Map<string, number>> {
    const lines = (await this.scrape()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      lines.map((line) => {
        const space = line.lastIndexOf(' ');
        return [line.slice(0, space), Number(line.slice(space))];
      }),
    );
  }

  /** Until a metric has a value. */
  metric(name: string, value: number): Promise<true> {
    return eventually(`${name} ${value}`, async () => ((await this.metrics()).get(name) === value ? true : undefined));
  }
}

describe('/readyz', () => {
  test('tells of an outage of Redis and its end, while /healthz stays 200', async () => {
    const [redis, mysql, port] = [await startRedis(), await openDatabase(), await freePort()];
    const sidecar = await startEmbedded({ env: { ...outsideStores(redis, mysql), HTTP_PORT: String(port) } });
    const http = new Http(port);
    expect(await http.readyz(200)).toMatchObject({ ready: true, readiness: 'ready', notReadyBecause: null });
    expect((await registerOnce(sidecar.sip, await newUser(mysql))).status).toBe(200);

    await redis.stop();
    const down = await http.readyz(503);
    expect(down).toMatchObject({ ready: false, readiness: 'not ready', notReadyBecause: 'Redis does not answer' });
    expect(down.dependencies).toContainEqual({
      role: 'store',
      name: 'Redis',
      address: `${redis.host}:${redis.port}`,
      state: 'down',
      since: expect.any(Number),
      why: expect.stringMatching(/./),
    });
    expect((await http.get('/healthz')).status).toBe(200);
    expect(await http.get('/system-health')).toMatchObject({ status: 200, body: { calls: 0, ready: false } });
    const during = await http.metrics();
    expect(during.get('sbc_sidecar_dependency_up{dependency="store"}')).toBe(0);
    expect(during.get('sbc_sidecar_dependency_up{dependency="database"}')).toBe(1);
    expect(during.get('sbc_sidecar_readiness{state="not ready"}')).toBe(1);
    expect(during.has('sbc_sidecar_realms')).toBe(false);

    // Work in the background fails meanwhile.
    await eventually('a failure that is counted', async () => {
      const names = [...(await http.metrics()).keys()];
      return names.find((name) => name.startsWith('sbc_sidecar_background_failures_total{work="'));
    });

    await redis.start();
    expect(await http.readyz(200)).toMatchObject({ readiness: 'ready' });
    await http.metric('sbc_sidecar_dependency_up{dependency="store"}', 1);
    expect(await sidecar.stop()).toBe(0);
  });

  test('is answered while a sidecar that starts waits for drachtio', async () => {
    const port = await freePort();
    await using production = await openProduction({ HTTP_PORT: String(port) });
    await production.startSidecar();
    const http = new Http(port);
    const waiting = await http.readyz(503);
    expect(waiting.readiness).toBe('not ready');
    expect((await http.get('/healthz')).status).toBe(200);
    await production.startDrachtio();
    expect(await http.readyz(200)).toMatchObject({ readiness: 'ready' });
    const ready = await http.metrics();
    expect(ready.get('sbc_sidecar_sip_connected')).toBe(1);
    expect([...ready.keys()].filter((name) => name.includes('_edge_'))).toEqual([]);
  });

  test('is 503 while the sidecar stops, and /healthz 200', async () => {
    // Holds a REGISTER, and so the end of the sidecar.
    const asked = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const webhook = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      async fetch() {
        asked.resolve();
        await released.promise;
        return Response.json({ status: 'ok' });
      },
    });
    onCleanup(() => webhook.stop(true));
    const account = `[[account]]\nrealm = "hook.test"\n[account.webhook]\nurl = "http://127.0.0.1:${webhook.port}/auth"\n`;
    const port = await freePort();
    const sidecar = await startEmbedded({
      args: ['--provision', await fileWith('p.toml', account)],
      env: { HTTP_PORT: String(port), JAMBONES_SHUTDOWN_GRACE_MS: '20000', JAMBONES_WEBHOOK_TIMEOUT_MS: '20000' },
    });
    const http = new Http(port);
    await http.readyz(200);
    using phone = await Phone.open(sidecar.sip, { ...ALICE, realm: 'hook.test' });
    const registering = phone.register();
    await within(asked.promise, 20_000, 'a call of the webhook');
    sidecar.process.kill('SIGTERM');
    expect(await http.readyz(503)).toMatchObject({ notReadyBecause: 'stopping' });
    expect((await http.get('/healthz')).status).toBe(200);
    released.resolve();
    expect((await registering).status).toBe(200);
    expect((await sidecar.process.exited).code).toBe(0);
  });
});

test('metrics of the binary after registrations', async () => {
  const port = await freePort();
  const { sip, stop } = await startEmbedded({
    args: ['--provision', await fileWith('p.toml', ACCOUNT)],
    env: { HTTP_PORT: String(port) },
  });
  using phone = await Phone.open(sip, ALICE);
  expect((await phone.register()).status).toBe(200);
  expect((await registerOnce(sip, { ...ALICE, password: 'looking-glass' })).status).toBe(403);

  const http = new Http(port);
  const after = await http.metrics();
  expect(after.get('sbc_sidecar_registrations_total{result="registered",reason=""}')).toBe(1);
  expect(after.get('sbc_sidecar_registrations_total{result="refused",reason="InvalidCredentials"}')).toBe(1);
  expect(after.get('sbc_sidecar_registration_duration_seconds_count{result="registered"}')).toBe(1);
  expect(after.get('sbc_sidecar_registration_step_duration_seconds_count{step="store"}')).toBeGreaterThan(0);
  expect(after.get('sbc_sidecar_edge_requests_total')).toBe(4);
  expect(after.get('sbc_sidecar_event_loop_delay_seconds_count')).toBeGreaterThan(0);
  await http.metric('sbc_sidecar_aors{realm="one.test"}', 1);
  await http.metric('sbc_sidecar_lease_held', 1);

  const checked = spawnSync('promtool', ['check', 'metrics'], { input: await http.scrape(), encoding: 'utf8' });
  expect(checked).toMatchObject({ status: 0, stdout: '', stderr: '' });
  expect(await stop()).toBe(0);
});

test('metrics of trunks, gateways, webhooks and bans are those of the binary', async () => {
  const registrar = new Registrar({ password: () => CARRIER_PASSWORD });
  const carrier = await SipPeer.start(registrar.script);
  const webhook = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response(null, { status: 500 }) });
  onCleanup(() => webhook.stop(true));
  const provision = await fileWith(
    'p.toml',
    `
[[account]]
realm = "office.test"
[[account]]
realm = "hook.test"
webhook = { url = "http://127.0.0.1:${webhook.port}/auth" }
[[carrier]]
name = "Example \\"quoted\\""
account = "office.test"
register = { username = "line", password = "${CARRIER_PASSWORD}", realm = "registrar.test" }
[[carrier.gateway]]
host = "${carrier.host}"
port = ${carrier.port}
options_ping = true
`,
  );
  const port = await freePort();
  const { sip, stop } = await startEmbedded({
    args: ['--provision', provision],
    // Otherwise loopback is exempt from bans.
    env: { ...QUICK, HTTP_PORT: String(port), SEND_OPTIONS_PING_INTERVAL: '1', JAMBONES_NETWORK_CIDR: '10.0.0.0/8' },
  });
  const http = new Http(port);
  await http.metric('sbc_sidecar_trunks{carrier="Example \\"quoted\\"",state="registered"}', 1);
  await http.metric('sbc_sidecar_gateways{state="up"}', 1);

  for (let i = 0; i < 5; i++) expect((await registerOnce(sip, { ...ALICE, realm: 'hook.test' })).status).toBe(503);
  const after = await http.metrics();
  expect(after.get('sbc_sidecar_webhooks_down')).toBe(1);
  expect(after.get('sbc_sidecar_webhook_requests_total{result="failed",status="5xx"}')).toBe(5);

  using scanner = await UdpPeer.open();
  const extra = 'User-Agent: friendly-scanner\r\n';
  scanner.send(request('OPTIONS', `UDP 127.0.0.1:${scanner.port}`, { extra }), sip.port);
  await http.metric('sbc_sidecar_banned_sources', 1);
  const banned = await http.metrics();
  expect(banned.get('sbc_sidecar_bans_total')).toBe(1);
  expect(banned.get('sbc_sidecar_edge_dropped_total{cause="banned source"}')).toBeGreaterThan(0);
  expect(await stop()).toBe(0);
});

test('statsd gets registrations and counts over TCP; one that goes away costs a line', async () => {
  const statsd = await tcpServer();
  const { process, sip, stop } = await startEmbedded({
    args: ['--provision', await fileWith('p.toml', ACCOUNT)],
    env: {
      ENABLE_METRICS: '1',
      STATS_HOST: '127.0.0.1',
      STATS_PORT: String(statsd.port),
      STATS_PROTOCOL: 'tcp',
      STATS_TELEGRAF: '1',
    },
  });
  expect((await registerOnce(sip, ALICE)).status).toBe(200);
  const expected = [
    /^sbc\.registration\.total\.response_time,status=200:\d+\|h$/,
    /^sbc\.users\.count:\d+\|g$/,
    /^featureservers:0\|g$/,
    /^rtpservers:0\|g$/,
  ];
  while (expected.length > 0) {
    const line = await statsd.received.next('a metric', 20_000);
    const found = expected.findIndex((pattern) => pattern.test(line));
    if (found >= 0) expected.splice(found, 1);
  }
  statsd.close();
  await process.line(/statsd does not answer/, 20_000);
  expect((await registerOnce(sip, ALICE)).status).toBe(200);
  expect(process.lines.filter((line) => line.includes('statsd does not answer'))).toHaveLength(1);
  expect(await stop()).toBe(0);
});

test('a port of HTTP that is in use stops serve with one line, and serve --check finds it', async () => {
  const taken = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response() });
  onCleanup(() => taken.stop(true));
  const why = `HTTP at 127.0.0.1:${taken.port} is in use; find by whom with ss -ltnp 'sport = :${taken.port}', or set HTTP_PORT to another port`;
  const run = async (...args: string[]) => {
    const cwd = temporaryDirectory('http');
    const env = { SBC_SOCKET_PATH: join(cwd, 'admin.sock'), HTTP_PORT: String(taken.port) };
    const command = spawnProcess(await sidecarBinary(), ['serve', '--embedded', '--sip', 'udp/127.0.0.1:0', ...args], {
      cwd,
      env,
    });
    const { code } = await within(command.exited, 30_000, 'end of serve');
    return { code, lines: command.lines };
  };
  expect(await run()).toEqual({ code: 1, lines: [why] });
  const checked = await run('--check');
  expect(checked.code).toBe(2);
  expect(checked.lines).toContain(`wrong    ${why}`);
});
