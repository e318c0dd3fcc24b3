import { afterAll, describe, expect, test } from 'bun:test';
import { type Carrier, insertCarrier } from '../support/carriers.ts';
import { eventually } from '../support/eventually.ts';
import { openDatabase } from '../support/mariadb.ts';
import { freePort } from '../support/net.ts';
import { startRedis } from '../support/redis.ts';
import { type PeerRequest, type Script, SipPeer } from '../support/sip-peer.ts';
import {
  forbidden,
  inTurn,
  movedTemporarily,
  ok,
  Registrar,
  type RegistrarOptions,
  serviceUnavailable,
} from '../support/sip-registrar.ts';
import { leading, noTrunk, QUICK, refresh, trunk } from './outbound.ts';
import { outsideStores, startEmbedded } from './sidecar.ts';

const mariadb = await openDatabase();
const redis = await startRedis();
const sidecar = await startEmbedded({
  env: {
    ...outsideStores(redis, mariadb, 's'),
    ...QUICK,
    REGISTER_RESPONSE_REMOVE: '404,480',
    JAMBONES_REGBOT_REGISTER_FAILURE_THRESHOLD: '2',
  },
});
await leading(sidecar);
afterAll(async () => {
  expect(await sidecar.stop()).toBe(0);
});

/** A carrier that is served by the peer, and which the sidecar has seen. */
async function carrierAt(
  { host, port }: { host: string; port: number },
  { protocol = 'udp', ...columns }: Record<string, string | number> = {},
): Promise<Carrier & { gateway: string }> {
  const carrier = await insertCarrier(mariadb, columns, { ipv4: host, port, protocol });
  await refresh(sidecar);
  return { ...carrier, gateway: carrier.gateways[0] ?? '' };
}

const passwords = { password: (user: string) => (user === 'line' ? 'pass' : undefined) };
const registrarAt = async (options: Partial<RegistrarOptions>) => {
  const registrar = new Registrar({ ...passwords, ...options });
  return { registrar, peer: await SipPeer.start(registrar.script) };
};
const algorithmOf = (request: PeerRequest | undefined) =>
  /algorithm=([\w-]+)/.exec(request?.header('Authorization') ?? '')?.[1];

/** The row of a carrier as soon as it says what was wrong. */
function failureOf(carrier: Carrier, reason: RegExp) {
  return eventually('register_status', async () => {
    const status = await carrier.status();
    return status?.status === 'fail' && reason.test(status.reason) ? status : undefined;
  });
}

describe('a registrar that asks for', () => {
  test.each([
    [['SHA-256'], 'SHA-256'],
    [['MD5', 'SHA-256'], 'SHA-256'],
    [['SHA-512-256', 'MD5'], 'SHA-512-256'],
    [['MD5'], 'MD5'],
  ] as const)('%p gets %s', async (algorithms, chosen) => {
    const { peer, registrar } = await registrarAt({ algorithms });
    const carrier = await carrierAt(peer);
    const { cseq } = await trunk(sidecar, carrier.gateway, 'registered');
    expect(peer.requests).toHaveLength(2);
    expect(algorithmOf(peer.requests[1])).toBe(chosen);
    expect(registrar.registered.get('line')?.contact).toContain('sip:line@');
    const status = await eventually('status', () => carrier.status());
    expect(status).toEqual({
      status: 'ok',
      reason: '200 OK',
      cseq: `${cseq} REGISTER`,
      callId: carrier.gateway,
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      expires: 3600,
    });
    await carrier.remove();
  });

  test('a proxy’s credentials, without qop, gets them', async () => {
    const { peer, registrar } = await registrarAt({ challenge: 407, qop: false });
    const carrier = await carrierAt(peer);
    await trunk(sidecar, carrier.gateway, 'registered');
    expect(registrar.registered.size).toBe(1);
    expect(peer.requests[1]?.header('Proxy-Authorization')).not.toContain('qop');
    await carrier.remove();
  });

  test('more than an hour gets it, and is asked for that from then on', async () => {
    const { peer } = await registrarAt({ minExpires: 7200 });
    const before = Date.now();
    const carrier = await carrierAt(peer);
    const { expiresAt } = await trunk(sidecar, carrier.gateway, 'registered');
    expect(peer.requests.map((r) => r.header('Expires'))).toEqual(['3600', '3600', '7200']);
    expect(expiresAt).toBeGreaterThanOrEqual(before + 7_200_000);
    expect(expiresAt).toBeLessThanOrEqual(Date.now() + 7_200_000);
    expect(await eventually('status', () => carrier.status())).toMatchObject({ expires: 7200 });
    await carrier.remove();
  });

  test('a new nonce at each refresh gets the same credentials with it, and no failure is told', async () => {
    const { peer, registrar } = await registrarAt({ grant: () => 2 });
    const carrier = await carrierAt(peer);
    await trunk(sidecar, carrier.gateway, 'registered');
    registrar.expireNonces();
    const first = peer.requests.length;
    await peer.next(() => peer.requests.length >= first + 2);
    const { failures } = await trunk(sidecar, carrier.gateway, 'registered');
    expect(failures).toBe(0);
    const [stale, fresh] = peer.requests
      .slice(first)
      .map((r) => /nonce="([^"]+)"/.exec(r.header('Authorization') ?? '')?.[1]);
    expect(stale).toBeDefined();
    expect(fresh).toBeDefined();
    expect(fresh).not.toBe(stale);
    expect(registrar.refused).toBe(0);
    await carrier.remove();
  });

  test('another password is not asked twice', async () => {
    const { peer } = await registrarAt({});
    peer.script = (request) => ({
      status: 401,
      reason: 'Unauthorized',
      headers: { 'WWW-Authenticate': `Digest realm="r", nonce="${request.header('CSeq')}", qop="auth"` },
    });
    const carrier = await carrierAt(peer);
    const { lastReason } = await trunk(sidecar, carrier.gateway, 'failing');
    expect(lastReason).toBe('401 Unauthorized, credentials refused');
    expect(peer.requests).toHaveLength(2);
    await failureOf(carrier, /credentials refused/);
    await carrier.remove();
  });
});

describe('a registrar that', () => {
  // Seconds, the least that jitter leaves.
  test.each<[string, Script, RegExp, number]>([
    ['forbids it is asked again after half a minute', forbidden, /^403 Forbidden$/, 27],
    ['says when is asked again then', () => serviceUnavailable('60 (lunch)'), /^503 Service Unavailable$/, 60],
    ['redirects to nowhere', () => movedTemporarily('<mailto:me@x.test>'), /^302 Moved Temporarily, to nowhere/, 27],
    ['answers what nobody knows', () => ({ status: 699, reason: 'Ärger' }), /^699 Ärger$/, 27],
  ])('%s', async (_, script, reason, seconds) => {
    const peer = await SipPeer.start(script);
    const carrier = await carrierAt(peer);
    const failing = await trunk(sidecar, carrier.gateway, 'failing');
    expect(failing.lastReason).toMatch(reason);
    expect(failing).toMatchObject({ failures: 1, expiresAt: null });
    expect(((failing.nextTryAt ?? 0) - failing.since) / 1000).toBeWithin(seconds, 2 * seconds);
    const { timestamp: _timestamp, ...status } = await failureOf(carrier, reason);
    expect(status).toEqual({
      status: 'fail',
      reason: failing.lastReason ?? '',
      cseq: `${failing.cseq} REGISTER`,
      callId: carrier.gateway,
    });
    // Nobody waits that long for a person.
    peer.script = ok;
    await refresh(sidecar, carrier.gateway);
    await trunk(sidecar, carrier.gateway, 'registered');
    await eventually('status ok', async () => (await carrier.status())?.status === 'ok' || undefined);
    await carrier.remove();
  });

  test('is busy for a second has us after it', async () => {
    const peer = await SipPeer.start(inTurn(() => serviceUnavailable(1), ok));
    const carrier = await carrierAt(peer);
    const [first, second] = [await peer.next(), await peer.next()];
    // A timeout may come a fraction of a millisecond early.
    expect(second.arrivedAt - first.arrivedAt).toBeGreaterThanOrEqual(999);
    expect(second.header('Call-ID')).toBe(first.header('Call-ID'));
    await trunk(sidecar, carrier.gateway, 'registered');
    await carrier.remove();
  });

  test('is elsewhere is found there', async () => {
    const there = await registrarAt({});
    const peer = await SipPeer.start(() => movedTemporarily(`<sip:127.0.0.1:${there.peer.port}>`));
    const carrier = await carrierAt(peer);
    await trunk(sidecar, carrier.gateway, 'registered');
    expect(peer.requests).toHaveLength(1);
    expect(there.registrar.registered.size).toBe(1);
    await carrier.remove();
  });

  test('closes the connection amid its answer has failed, and is asked again', async () => {
    const peer = await SipPeer.start(inTurn(() => 'close-mid-message', ok));
    const carrier = await carrierAt(peer, { protocol: 'tcp' });
    const failing = await trunk(sidecar, carrier.gateway, 'failing');
    expect(failing.lastReason).toBe('503 Service Unavailable, cannot be reached');
    await failureOf(carrier, /cannot be reached/);
    await refresh(sidecar, carrier.gateway);
    await trunk(sidecar, carrier.gateway, 'registered');
    await carrier.remove();
  });

  test.each(['udp', 'tcp'])('is not there (%s)', async (protocol) => {
    const carrier = await carrierAt({ host: '127.0.0.1', port: await freePort() }, { protocol });
    const failing = await trunk(sidecar, carrier.gateway, 'failing');
    expect(failing.lastReason).toBe('503 Service Unavailable, cannot be reached');
    await carrier.remove();
  });
});

describe.concurrent('a registrar that refuses for good', () => {
  const refusal: Script = () => ({ status: 404, reason: 'Not Found', headers: { 'Retry-After': '1' } });

  test.each([
    ['static_ip', { requires_register: 0, is_active: 1 }, 'Disabling Outbound Registration for carrier'],
    ['reg', { requires_register: 1, is_active: 0 }, 'Deactivating carrier'],
  ])('ends the registration of a trunk of type %s after two times', async (trunk_type, columns, message) => {
    const peer = await SipPeer.start(refusal);
    const carrier = await carrierAt(peer, { trunk_type, name: `refused ${trunk_type}` });
    const alert = await sidecar.process.line(
      new RegExp(`"alert":\\{"message":"${message} refused ${trunk_type}`),
      30_000,
    );
    expect(alert.input).toContain(carrier.sid);
    expect(await carrier.row()).toMatchObject(columns);
    expect(peer.requests).toHaveLength(2);
    await noTrunk(sidecar, carrier.gateway);
    await carrier.hasStatus({ status: 'fail', reason: '404 Not Found' });

    // Enabled by somebody, it begins anew.
    peer.script = ok;
    await carrier.set({ requires_register: 1, is_active: 1 });
    await refresh(sidecar);
    await trunk(sidecar, carrier.gateway, 'registered');
    await carrier.remove();
  });

  test('only when it does so in a row, and with the codes that were named', async () => {
    const says =
      (status: number): Script =>
      () => ({ status, headers: { 'Retry-After': '1' } });
    const peer = await SipPeer.start(inTurn(says(404), says(403), says(480), says(200)));
    const carrier = await carrierAt(peer);
    await trunk(sidecar, carrier.gateway, 'registered');
    expect(peer.requests).toHaveLength(4);
    expect(await carrier.row()).toMatchObject({ requires_register: 1 });
    await carrier.remove();
  });
});
