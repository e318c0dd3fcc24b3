import { afterAll, describe, expect, test } from 'bun:test';
import type { RowDataPacket } from 'mysql2/promise';
import { insertCarrier } from '../support/carriers.ts';
import { eventually } from '../support/eventually.ts';
import { openDatabase } from '../support/mariadb.ts';
import { freePort } from '../support/net.ts';
import { startRedis } from '../support/redis.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { forbidden, notFound, ok, serviceUnavailable } from '../support/sip-registrar.ts';
import { leading, noTrunk, pinged, QUICK, refresh, trunk } from './outbound.ts';
import { outsideStores, startEmbedded } from './sidecar.ts';

const mariadb = await openDatabase();
const redis = await startRedis();
const sidecar = await startEmbedded({
  env: {
    ...outsideStores(redis, mariadb),
    ...QUICK,
    SEND_OPTIONS_PING_INTERVAL: '1',
    OPTIONS_PING_TTL: '4',
    OPTIONS_RESPONSE_REMOVE: '488',
  },
});
await leading(sidecar);
afterAll(async () => {
  expect(await sidecar.stop()).toBe(0);
});

const DEADLINE_MS = 20_000;
const blacklisted = (gateway: string) => redis.client.exists(`blacklist-sip-gateway:${gateway}`);
/** When it leaves the blacklist by itself, milliseconds since the epoch. */
const endOfListing = (gateway: string) => redis.client.pexpiretime(`blacklist-sip-gateway:${gateway}`);

describe.concurrent('a gateway that is pinged', () => {
  /** Inserts a carrier with a pinged gateway, and has the sidecar read it. */
  async function gatewayAt(
    { host, port }: { host: string; port: number },
    more: Record<string, string> = {},
    columns: Record<string, string | number> = {},
  ) {
    const row = { ipv4: host, port, send_options_ping: 1, ...more };
    const carrier = await insertCarrier(mariadb, { requires_register: 0, ...columns }, row);
    await refresh(sidecar);
    return { ...carrier, gateway: carrier.gateways[0] ?? '' };
  }
  const isUnlisted = (gateway: string) =>
    eventually('its leaving the blacklist', async () => (await blacklisted(gateway)) === 0 || undefined);

  test.each([
    ['200', ok],
    ['404', notFound],
    ['403', forbidden],
  ] as const)('is up when it answers %s', async (status, answer) => {
    const peer = await SipPeer.start(answer);
    // Blacklisted before, by another sidecar.
    const sip_gateway_sid = crypto.randomUUID();
    await redis.client.set(`blacklist-sip-gateway:${sip_gateway_sid}`, '1');
    const carrier = await gatewayAt(peer, { sip_gateway_sid });
    const row = await pinged(sidecar, carrier.gateway, 'up');
    expect(row.lastAnswer).toStartWith(status);
    expect(row).toMatchObject({ carrier: carrier.sid, host: peer.host, port: peer.port, transport: 'udp' });
    expect(row.rttMs).toBeGreaterThanOrEqual(0);
    await isUnlisted(carrier.gateway);
    expect(peer.requests[0]).toMatchObject({ method: 'OPTIONS', uri: `sip:127.0.0.1:${peer.port}` });
    expect(peer.requests[0]?.header('From')).toMatch(/^<sip:[^@]+@127\.0\.0\.1:/);
    await carrier.remove();
  });

  test('behind an outbound proxy is pinged through it, and need not be reachable directly', async () => {
    const proxy = await SipPeer.start(ok);
    const closed = { host: '127.0.0.1', port: await freePort() };
    const outbound_sip_proxy = `sip:${proxy.host}:${proxy.port};transport=tcp;lr`;
    const carrier = await gatewayAt(closed, {}, { outbound_sip_proxy });
    const row = await pinged(sidecar, carrier.gateway, 'up');
    expect(row.lastAnswer).toBe('200 OK');
    expect(proxy.requests[0]).toMatchObject({ transport: 'tcp', uri: `sip:127.0.0.1:${closed.port}` });
    expect(await blacklisted(carrier.gateway)).toBe(0);
    await carrier.remove();
  });

  test('whose outbound proxy is not understood has no verdict; list and register_status say why', async () => {
    const peer = await SipPeer.start(ok);
    const columns = { requires_register: 1, outbound_sip_proxy: 'sip:127.0.0.1;transport=ws' };
    const carrier = await gatewayAt(peer, {}, columns);
    const why = 'outbound proxy "sip:127.0.0.1;transport=ws": transport ws is not udp, tcp or tls';
    const row = await pinged(sidecar, carrier.gateway, ({ lastAnswer }) => lastAnswer !== null);
    expect(row).toMatchObject({ state: 'unknown', lastAnswer: why });
    await carrier.hasStatus({ status: 'fail', reason: `its settings make no valid request: ${why}` });
    expect(await blacklisted(carrier.gateway)).toBe(0);
    expect(peer.requests).toEqual([]);
    await carrier.remove();
  });

  test('in a family without a socket of ours has no verdict; list and register_status say why', async () => {
    const carrier = await gatewayAt({ host: '::1', port: await freePort() }, {}, { requires_register: 1 });
    const why = 'no UDP socket on IPv6 for ::1';
    const row = await pinged(sidecar, carrier.gateway, ({ lastAnswer }) => lastAnswer !== null);
    expect(row).toMatchObject({ state: 'unknown', lastAnswer: why });
    await carrier.hasStatus({ status: 'fail', reason: why });
    expect(await blacklisted(carrier.gateway)).toBe(0);
    await carrier.remove();
  });

  test('is on the blacklist while it is down, beyond the TTL of the key, and not afterwards', async () => {
    const peer = await SipPeer.start(() => serviceUnavailable());
    const carrier = await gatewayAt(peer);
    await pinged(sidecar, carrier.gateway, 'down');
    await eventually('its being on the blacklist', async () => (await blacklisted(carrier.gateway)) || undefined);
    await sidecar.process.line(
      new RegExp(`OPTIONS ping of gateway .* of carrier ${carrier.sid} failed: 503`),
      DEADLINE_MS,
    );
    const end = await endOfListing(carrier.gateway);
    await eventually('its renewal', async () => (await endOfListing(carrier.gateway)) > end || undefined);
    peer.script = ok;
    await pinged(sidecar, carrier.gateway, 'up');
    await isUnlisted(carrier.gateway);
    const alerts = sidecar.process.lines.filter((line) => line.includes('"alert"') && line.includes(carrier.sid));
    expect(alerts).toHaveLength(1);
    await carrier.remove();
  });

  test.each([
    ['udp', 'port unreachable'],
    ['tcp', 'connection refused'],
  ] as const)(
    'is down when nothing listens (%s), and leaves the blacklist when its row is removed',
    async (protocol, why) => {
      const carrier = await gatewayAt({ host: '127.0.0.1', port: await freePort() }, { protocol });
      const row = await pinged(sidecar, carrier.gateway, 'down');
      expect(row.lastAnswer).toBe(`not reached (503 Service Unavailable, ${why})`);
      await eventually('its being on the blacklist', async () => (await blacklisted(carrier.gateway)) || undefined);
      await carrier.remove();
      await refresh(sidecar);
      await isUnlisted(carrier.gateway);
    },
  );

  test('is no longer pinged after a code of OPTIONS_RESPONSE_REMOVE', async () => {
    const peer = await SipPeer.start(() => ({ status: 488 }));
    const carrier = await gatewayAt(peer);
    const alert = await sidecar.process.line(/OPTIONS pings of gateway .* switched off: 488/, DEADLINE_MS);
    expect(alert.input).toContain(carrier.sid);
    const [[row]] = await mariadb.pool.query<RowDataPacket[]>(
      'SELECT send_options_ping FROM sip_gateways WHERE sip_gateway_sid = ?',
      [carrier.gateway],
    );
    expect(row?.send_options_ping).toBe(0);
    expect(peer.requests).toHaveLength(1);
    await carrier.remove();
  });
});

test('a trunk registers through the outbound proxy, over the transport of its URI', async () => {
  const proxy = await SipPeer.start(ok);
  const outbound_sip_proxy = `sip:${proxy.host}:${proxy.port};transport=tcp`;
  const columns = { outbound_sip_proxy, register_sip_realm: 'carrier.test' };
  const carrier = await insertCarrier(mariadb, columns, { ipv4: '127.0.0.1', port: await freePort() });
  await refresh(sidecar);
  await trunk(sidecar, carrier.gateways[0] ?? '', 'registered');
  expect(proxy.requests[0]).toMatchObject({ method: 'REGISTER', transport: 'tcp', uri: 'sip:carrier.test' });
  await carrier.remove();
});

describe.concurrent('a trunk of type reg', () => {
  /** Inserts a carrier with a trunk, and has the sidecar read it; `field` is its entry for 127.0.0.1. */
  async function trunkAt({ host, port }: { host: string; port: number }) {
    const carrier = await insertCarrier(mariadb, { trunk_type: 'reg' }, { ipv4: host, port });
    await refresh(sidecar);
    const field = () => redis.client.hget('eph-gw-ip:127.0.0.1', carrier.sid);
    const noField = () => eventually('the end of the field', async () => (await field()) === null || undefined);
    return { ...carrier, gateway: carrier.gateways[0] ?? '', field, noField };
  }

  test('maps the gateway’s address to its carrier while it is registered', async () => {
    const peer = await SipPeer.start();
    const before = Date.now();
    const carrier = await trunkAt(peer);
    const { expiresAt } = await trunk(sidecar, carrier.gateway, 'registered');
    const expiry = await eventually('the field', async () => (await carrier.field()) ?? undefined);
    expect(Number(expiry)).toBe(Math.ceil((expiresAt ?? 0) / 1000));
    expect(await redis.client.pexpiretime('eph-gw-ip:127.0.0.1')).toBeGreaterThan(before + 3_600_000);

    // A change of settings keeps the entry.
    await carrier.set({ register_from_user: 'other' });
    await refresh(sidecar);
    await peer.next((r) => r.header('From')?.includes('other') === true);
    expect(await carrier.field()).not.toBeNull();

    await carrier.set({ is_active: 0 });
    await refresh(sidecar);
    expect((await peer.next((r) => r.header('Expires') === '0')).header('Call-ID')).toBe(carrier.gateway);
    await noTrunk(sidecar, carrier.gateway);
    await carrier.noField();
    await carrier.remove();
  });

  test('keeps the entry through failed refreshes until the registration expires', async () => {
    const peer = await SipPeer.start((request) => ({
      status: 200,
      headers: { Contact: `${request.header('Contact')?.replace(/;expires=\d+/, '')};expires=3` },
    }));
    const carrier = await trunkAt(peer);
    const { expiresAt } = await trunk(sidecar, carrier.gateway, 'registered');
    peer.script = forbidden;
    await trunk(sidecar, carrier.gateway, 'failing');
    expect(await carrier.field()).not.toBeNull();
    await carrier.noField();
    expect(Date.now()).toBeGreaterThanOrEqual(expiresAt ?? Infinity);
    await carrier.remove();
  });
});
