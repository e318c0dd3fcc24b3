import { afterAll, describe, expect, test } from 'bun:test';
import { CARRIER_PASSWORD, type Carrier } from '../support/carriers.ts';
import { eventually } from '../support/eventually.ts';
import { openDatabase } from '../support/mariadb.ts';
import { freePort } from '../support/net.ts';
import { startRedis } from '../support/redis.ts';
import { type PeerAnswer, type PeerRequest, type Script, SipPeer } from '../support/sip-peer.ts';
import {
  forbidden,
  inTurn,
  intervalTooBrief,
  movedTemporarily,
  ok,
  Registrar,
  type RegistrarOptions,
  serviceUnavailable,
  unauthorized,
} from '../support/sip-registrar.ts';
import { insertCarrierAt, leading, QUICK, refresh, trunk } from './outbound.ts';
import { outsideStores, startEmbedded } from './sidecar.ts';

const mariadb = await openDatabase();
const redis = await startRedis();
const sidecar = await startEmbedded({
  env: {
    ...outsideStores(redis, mariadb),
    ...QUICK,
  },
});
await leading(sidecar);
afterAll(async () => {
  expect(await sidecar.stop()).toBe(0);
});

const carrierAt = (peer: SipPeer, columns: Record<string, string | number> = {}) =>
  insertCarrierAt(sidecar, mariadb, peer, columns);

const passwords = { password: (user: string) => (user === 'line' ? CARRIER_PASSWORD : undefined) };
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
    [['MD5', 'SHA-256'], 'MD5'],
    [['SHA-256', 'MD5'], 'SHA-256'],
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

  // The first request, and one for each challenge that is answered.
  test.each<[string, (count: number) => string, number]>([
    ['the same challenge', () => 'n', 2],
    ['new nonces', (count) => `n${count}`, 5],
  ])('another password with %s is given up', async (_, nonce, requests) => {
    let count = 0;
    const peer = await SipPeer.start(() => unauthorized(`Digest realm="r", nonce="${nonce(++count)}", qop="auth"`));
    const carrier = await carrierAt(peer);
    const { lastReason } = await trunk(sidecar, carrier.gateway, 'failing');
    expect(lastReason).toBe('401 Unauthorized, credentials refused');
    expect(peer.requests).toHaveLength(requests);
    await failureOf(carrier, /credentials refused/);
    await carrier.remove();
  });

  test.each<[string, PeerAnswer[], RegExp[]]>([
    [
      'in a challenge without commas, qop without quotes',
      [unauthorized('Basic realm="r", Digest qop=auth,auth-int nonce = "n" realm="r"realm="x"')],
      [/^Digest username="line", realm="r", nonce="n", .*qop=auth, nc=00000001/],
    ],
    [
      'for two stale nonces',
      [1, 2, 3].map((n) => unauthorized(`Digest realm="r", nonce="n${n}", stale=true`)),
      [/nonce="n3"/],
    ],
    [
      'for two realms',
      [unauthorized('Digest realm="r", nonce="n"', 'Digest realm="q", nonce="m"')],
      [/realm="r", nonce="n"/, /realm="q", nonce="m"/],
    ],
    [
      'with the next algorithm when the first is refused',
      [1, 2].map(() => unauthorized(...['SHA-256', 'MD5'].map((a) => `Digest realm="r", nonce="n", algorithm=${a}`))),
      [/algorithm=MD5/],
    ],
    [
      'with the next algorithm when the first is forbidden',
      [unauthorized(...['SHA-256', 'MD5'].map((a) => `Digest realm="r", nonce="n", algorithm=${a}`)), forbidden()],
      [/algorithm=MD5/],
    ],
  ])('credentials %s gets them', async (_, answers, expected) => {
    const left = [...answers];
    const peer = await SipPeer.start(() => left.shift() ?? ok());
    const carrier = await carrierAt(peer);
    await trunk(sidecar, carrier.gateway, 'registered');
    expect(peer.requests).toHaveLength(answers.length + 1);
    expect(peer.requests.at(-1)?.headers('Authorization')).toEqual(
      expected.map((pattern) => expect.stringMatching(pattern)),
    );
    await carrier.remove();
  });

  test('more and more gets it twice', async () => {
    const seconds = ['7200', '9000'];
    const peer = await SipPeer.start(() => {
      const least = seconds.shift();
      return least === undefined ? ok() : intervalTooBrief(Number(least));
    });
    const carrier = await carrierAt(peer);
    await trunk(sidecar, carrier.gateway, 'registered');
    expect(peer.requests.map((r) => r.header('Expires'))).toEqual(['3600', '7200', '9000']);
    await carrier.remove();
  });
});

describe('the expiry of our Contact', () => {
  /** Answers with our Contact, `$`, among others. */
  const granting =
    (contacts: string, expires?: string): Script =>
    (request) => {
      const ours = (request.header('Contact') ?? '').replace(/;expires=.*/, '');
      const headers = { Contact: contacts.replaceAll('$', ours), ...(expires !== undefined && { Expires: expires }) };
      return { status: 200, reason: 'OK', headers };
    };

  test.each<[string, Script, number]>([
    ['of ours among others', granting('<sip:line@192.0.2.9>;expires=60, $;expires=600'), 600],
    [
      'of ours among what cannot be read',
      granting('<tel:+1555>;expires=60, <<>, Jörg <sip:x@y:0>, $;expires=600'),
      600,
    ],
    [
      'of ours at the address that a NAT gave it',
      granting('<sip:x@y.test>;expires=60, <sip:line@127.0.0.1:9>;expires=600'),
      600,
    ],
    ['of the shortest when ours is not there', granting('<sip:x@y.test>;expires=900, <sip:z@y.test>;expires=600'), 600],
    ['of an hour when there is none', granting('$'), 3600],
    ['of twice what was asked at most', granting('$;expires=4294967295'), 7200],
  ])('is that %s', async (_, script, seconds) => {
    const peer = await SipPeer.start(script);
    const carrier = await carrierAt(peer);
    await trunk(sidecar, carrier.gateway, 'registered');
    await carrier.hasStatus({ status: 'ok', expires: seconds });
    await carrier.remove();
  });

  test.each<[string, Script]>([
    ['expires=0', granting('$;expires=0, <sip:x@y.test>;expires=600')],
    ['Expires: 0, and others only', granting('<sip:x@y.test>;expires=600', '0')],
  ])('is none with %s, which is a failure', async (_, script) => {
    const peer = await SipPeer.start(script);
    const carrier = await carrierAt(peer);
    const failing = await trunk(sidecar, carrier.gateway, 'failing');
    expect(failing).toMatchObject({ lastReason: '200 OK, but our Contact is not bound', expiresAt: null });
    expect(((failing.nextTryAt ?? 0) - failing.since) / 1000).toBeWithin(27, 54);
    await failureOf(carrier, /not bound/);
    await carrier.remove();
  });
});

describe('a registrar that', () => {
  // Seconds, the least that jitter leaves.
  test.each<[string, Script, RegExp, number]>([
    ['forbids it is asked again after half a minute', forbidden, /^403 Forbidden$/, 27],
    ['says that it is ready is asked again no sooner', () => serviceUnavailable(0), /^503 Service Unavailable$/, 27],
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

  test('is elsewhere is found there', async () => {
    const there = await registrarAt({});
    const peer = await SipPeer.start(() => movedTemporarily(`<sip:127.0.0.1:${there.peer.port}>`));
    const carrier = await carrierAt(peer);
    await trunk(sidecar, carrier.gateway, 'registered');
    expect(peer.requests).toHaveLength(1);
    expect(there.registrar.registered.size).toBe(1);
    await carrier.remove();
  });

  test('is at several places is asked at each in the order of q', async () => {
    const [there, last] = [await registrarAt({}), await SipPeer.start()];
    const full = await SipPeer.start(forbidden);
    const contact = ({ port }: SipPeer, q: string) => `<sip:127.0.0.1:${port}>;q=${q}`;
    const peer = await SipPeer.start(() =>
      movedTemporarily(contact(last, '0.1'), `${contact(there.peer, '0.5')}, ${contact(full, '1')}`),
    );
    const carrier = await carrierAt(peer);
    await trunk(sidecar, carrier.gateway, 'registered');
    expect([peer, full, there.peer, last].map(({ requests }) => requests.length)).toEqual([1, 1, 2, 0]);
    await carrier.remove();
  });

  test('closes the connection amid its answer has failed, and is asked again', async () => {
    const peer = await SipPeer.start(inTurn(() => 'close-mid-message', ok));
    const carrier = await carrierAt(peer, { protocol: 'tcp' });
    const failing = await trunk(sidecar, carrier.gateway, 'failing');
    expect(failing.lastReason).toBe('503 Service Unavailable, the peer closed the connection');
    await failureOf(carrier, /the peer closed the connection/);
    await refresh(sidecar, carrier.gateway);
    await trunk(sidecar, carrier.gateway, 'registered');
    await carrier.remove();
  });

  test.each([
    ['udp', 'port unreachable'],
    ['tcp', 'connection refused'],
  ] as const)('is not there (%s)', async (protocol, why) => {
    const carrier = await insertCarrierAt(
      sidecar,
      mariadb,
      { host: '127.0.0.1', port: await freePort() },
      { protocol },
    );
    const failing = await trunk(sidecar, carrier.gateway, 'failing');
    expect(failing.lastReason).toBe(`503 Service Unavailable, ${why}`);
    await carrier.remove();
  });
});
