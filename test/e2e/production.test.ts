import { describe, expect, test } from 'bun:test';
import { requestOnce } from '../../src/admin/client.ts';
import { CARRIER_PASSWORD, insertCarrier } from '../support/carriers.ts';
import { eventually } from '../support/eventually.ts';
import type { Mariadb } from '../support/mariadb.ts';
import { headerOf, Phone, registerOnce } from '../support/phone.ts';
import { insertAccount, insertClient } from '../support/schema.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { Registrar } from '../support/sip-registrar.ts';
import { request } from '../support/sip-request.ts';
import { UdpPeer } from '../support/wire.ts';
import { noTrunk, QUICK, trunk } from './outbound.ts';
import { openProduction, START_MS } from './production.ts';
import { ENCRYPTION_SECRET } from './sidecar.ts';

async function user(mysql: Mariadb, realm: string) {
  const accountSid = await insertAccount(mysql, { realm });
  await insertClient(mysql, { accountSid, username: 'alice', password: 'wonderland', secret: ENCRYPTION_SECRET });
  return { user: 'alice', password: 'wonderland', realm };
}

async function startProduction(more: Record<string, string> = {}) {
  const production = await openProduction(more);
  const drachtio = await production.startDrachtio();
  const sidecar = await production.startSidecar();
  await sidecar.line(/"ready"/, START_MS);
  return { ...production, ...drachtio, sidecar };
}

describe('beside a drachtio server', () => {
  test('a phone registers, refreshes and unregisters', async () => {
    await using production = await startProduction();
    const alice = await user(production.mysql, 'phone.example.com');
    const { redis, server, sip } = production;
    const phone = await Phone.open(sip, alice);
    const registered = await phone.register();
    expect(registered.status).toBe(200);
    expect(headerOf(registered, 'Contact')).toBe(`<${phone.contact}>;expires=30`);
    const stored = async () => JSON.parse((await redis.client.get('user:alice@phone.example.com')) ?? 'null');
    expect(await stored()).toMatchObject({
      contact: phone.contact,
      protocol: 'udp',
      sbcAddress: server.layer.hostports,
      privateSbcAddress: /tcp\/(127\.0\.0\.1:\d+)/.exec(server.layer.hostports)?.[1],
    });

    // A refresh from the same source is granted without a challenge.
    expect((await phone.send({})).status).toBe(200);

    const unregistered = await phone.register({ expires: 0 });
    expect(unregistered.status).toBe(200);
    expect(headerOf(unregistered, 'Contact')).toBeUndefined();
    expect(await stored()).toBeNull();
    phone.close();
  });

  test('a wrong password is refused', async () => {
    await using production = await startProduction();
    const alice = await user(production.mysql, 'wrong.example.com');
    const { sip } = production;
    const refused = await registerOnce(sip, { ...alice, password: 'a wrong guess' });
    expect(refused.status).toBe(403);
    expect(headerOf(refused, 'X-Reason')).toBe('Invalid credentials');
  });

  test('a feature server checks in, is drained and comes back', async () => {
    await using production = await startProduction();
    const { redis, sip, socketPath } = production;
    using featureServer = await UdpPeer.open();
    const member = `127.0.0.1:${featureServer.port}`;
    const checkIn = async () => {
      const extra = 'X-FS-Status: open\r\nX-FS-Calls: 3\r\n';
      featureServer.send(request('OPTIONS', `UDP ${member}`, { extra }), sip.port);
      return featureServer.next('an answer to the check-in');
    };
    const active = () => redis.client.smembers('default:active-fs');
    expect(await checkIn()).toMatch(/^SIP\/2\.0 200 OK\r\n(.*\r\n)*X-Members: 1\r\n/);
    expect(await active()).toEqual([member]);
    await requestOnce('fs-drain', { server: '127.0.0.1' }, { socketPath });
    expect(await checkIn()).toContain('X-Members: 0\r\n');
    expect(await active()).toEqual([]);
    await requestOnce('fs-undrain', { server: '127.0.0.1' }, { socketPath });
    expect(await active()).toEqual([member]);
  });

  describe('a trunk', () => {
    test('is registered, refreshed, and un-registered when its carrier is removed', async () => {
      const registrar = new Registrar({ password: () => CARRIER_PASSWORD, realm: 'carrier.test', grant: () => 2 });
      const peer = await SipPeer.start(registrar.script, '127.0.0.9');
      await using production = await startProduction(QUICK);
      const target = { ipv4: peer.host, port: peer.port };
      const carrier = await insertCarrier(production.mysql, { register_sip_realm: 'carrier.test' }, target);
      const [gateway = ''] = carrier.gateways;
      await trunk(production, gateway, 'registered');
      await carrier.hasStatus({ status: 'ok', reason: '200 OK' });
      const cseqs = () => peer.requests.map((sent) => Number.parseInt(sent.header('CSeq') ?? '', 10));
      const first = peer.requests.length;
      await eventually('a refresh', async () => peer.requests.length > first + 1 || undefined);
      expect(cseqs()).toEqual(cseqs().toSorted((a, b) => a - b));

      await carrier.remove();
      await noTrunk(production, gateway);
      await peer.next((sent) => sent.header('Expires') === '0');
    });
  });

  test('waits for Redis and drachtio, serves, and survives outages', async () => {
    await using production = await openProduction({ JAMBONES_MYSQL_REFRESH_TTL: '0' });
    const alice = await user(production.mysql, 'patient.example.com');
    const { redis, mysql, startSidecar, startDrachtio } = production;
    await redis.stop();
    const sidecar = await startSidecar();
    await sidecar.line(/waiting for Redis/, 10_000);
    await redis.start();
    await sidecar.line(/drachtio connection/, 10_000);
    const { server, sip } = await startDrachtio();
    await sidecar.line(/"ready"/, 15_000);
    expect((await registerOnce(sip, alice)).status).toBe(200);
    expect(JSON.parse((await redis.client.get('user:alice@patient.example.com')) ?? '{}')).toMatchObject({
      protocol: 'udp',
      sbcAddress: server.layer.hostports,
    });

    await redis.stop();
    const refused = await registerOnce(sip, alice);
    expect(refused.status).toBe(503);
    expect(headerOf(refused, 'Retry-After')).toBe('5');
    await redis.start();
    await sidecar.line(/Redis answers again/, 10_000, sidecar.lines.length);
    expect((await registerOnce(sip, alice)).status).toBe(200);

    // A hanging Redis is noticed before the phone gives up.
    await redis.kill('SIGSTOP');
    expect((await registerOnce(sip, alice)).status).toBe(503);
    await redis.kill('SIGCONT');
    await sidecar.line(/Redis answers again/, 10_000, sidecar.lines.length);
    expect((await registerOnce(sip, alice)).status).toBe(200);

    if (mysql.own) {
      await mysql.stop();
      // Cached rows are used while MySQL is down; other names cannot be looked up.
      expect((await registerOnce(sip, alice)).status).toBe(200);
      expect((await registerOnce(sip, { ...alice, realm: 'other.example.com' })).status).toBe(503);
      await mysql.start();
    }

    sidecar.kill('SIGTERM');
    expect((await sidecar.exited).code).toBe(0);
  });

  test('reconnects to a drachtio server that restarts', async () => {
    await using production = await openProduction();
    const alice = await user(production.mysql, 'restart.example.com');
    const { startSidecar, startDrachtio } = production;
    const before = await startDrachtio();
    const sidecar = await startSidecar();
    await sidecar.line(/"ready"/, 15_000);
    expect((await registerOnce(before.sip, alice)).status).toBe(200);
    await before.server.stop();
    await sidecar.line(/drachtio does not answer/, 5000);
    const seen = sidecar.lines.length;
    const after = await startDrachtio();
    await sidecar.line(/drachtio connected/, 10_000, seen);
    expect((await registerOnce(after.sip, alice)).status).toBe(200);
    sidecar.kill('SIGTERM');
    expect((await sidecar.exited).code).toBe(0);
  });

  test('reports a wrong secret, and retries slowly', async () => {
    await using production = await openProduction({ DRACHTIO_SECRET: 'a wrong guess' });
    const { startSidecar, startDrachtio } = production;
    await startDrachtio();
    const sidecar = await startSidecar();
    await sidecar.line(/refused our secret/, 10_000);
    sidecar.kill('SIGTERM');
    expect((await sidecar.exited).code).toBe(0);
    expect(sidecar.lines.filter((line) => line.includes('refused our secret'))).toHaveLength(1);
  });

  test('a second signal ends it at once', async () => {
    await using production = await openProduction();
    const { startSidecar } = production;
    const sidecar = await startSidecar();
    await sidecar.line(/drachtio connection/, 10_000);
    sidecar.kill('SIGTERM');
    sidecar.kill('SIGTERM');
    expect([0, 1]).toContain((await sidecar.exited).code ?? -1);
  });
});
