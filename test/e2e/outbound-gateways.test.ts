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
    ...outsideStores(redis, mariadb, 's'),
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
  async function gatewayAt({ host, port }: { host: string; port: number }, more: Record<string, string> = {}) {
    const row = { ipv4: host, port, send_options_ping: 1, ...more };
    const carrier = await insertCarrier(mariadb, { requires_register: 0 }, row);
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

  test.each(['udp', 'tcp'])(
    'is down when nothing listens (%s), and leaves the blacklist when its row is removed',
    async (protocol) => {
      const carrier = await gatewayAt({ host: '127.0.0.1', port: await freePort() }, { protocol });
      const row = await pinged(sidecar, carrier.gateway, 'down');
      expect(row.lastAnswer).toBe('not reached (503 Service Unavailable)');
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
