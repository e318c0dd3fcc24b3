import { describe, expect, test } from 'bun:test';
import { isIPv4 } from 'node:net';
import { VERSION } from '../../src/lib/version.ts';
import type { Trunk } from '../../src/ports/carriers.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { NameError } from '../../src/ports/next-hops.ts';
import type { SipResponse } from '../../src/sip/message.ts';
import { challenge, makeFleet, response, TRUNK } from './support.ts';

const SECOND = 1000;
const LOCAL_408 = response(408, {}, { local: true });

describe('a REGISTER to a carrier', () => {
  test('has the headers of RFC 3261 10.2', async () => {
    const { sip, lead, resolved } = makeFleet();
    await lead();
    const [sent] = sip.take();
    expect(sent).toMatchObject({ method: 'REGISTER', uri: 'sip:carrier.example', deadlineMs: 33_000 });
    expect(sent?.nextHop).toEqual({ address: '192.0.2.1', port: 5060, transport: 'udp' });
    expect(sent?.headers).toEqual({
      'Call-ID': 'gw-1',
      CSeq: expect.stringMatching(/^\d+ REGISTER$/),
      From: expect.stringMatching(/^<sip:user@carrier\.example>;tag=\w+$/),
      To: '<sip:user@carrier.example>',
      Contact: '<sip:user@acme.sip.example;transport=udp>;expires=3600',
      Expires: '3600',
      'User-Agent': `sbc-sip-sidecar/${VERSION}`,
    });
    expect(resolved).toEqual([['gw.carrier.example', undefined, 'udp']]);
  });

  const CONTACTS: [string, Partial<Trunk>, string][] = [
    ['the public address of the transport', { publicIpInContact: true }, 'sip:user@203.0.113.7:5060;transport=udp'],
    [
      'the public address for TCP',
      { publicIpInContact: true, transport: 'tcp' },
      'sip:user@203.0.113.9:5070;transport=tcp',
    ],
    [
      'the public address for UDP when there is none for TLS',
      { publicIpInContact: true, transport: 'tls' },
      'sip:user@203.0.113.7:5060;transport=tls',
    ],
    ['a SIPS URI for a SIPS trunk', { sips: true, transport: 'tls' }, 'sips:user@acme.sip.example;transport=tls'],
    ['the from_user, escaped', { fromUser: 'line@1' }, 'sip:line%401@acme.sip.example;transport=udp'],
  ];
  test.each(CONTACTS)('has in Contact %s', async (_, changes, contact) => {
    const { sip, lead } = makeFleet([{ ...TRUNK, ...changes }]);
    await lead();
    expect(sip.take()[0]?.headers.Contact).toBe(`<${contact}>;expires=3600`);
  });

  test('has in Contact the system’s domain when there is no account realm, else the carrier’s', async () => {
    const { accountRealm, ...trunk } = TRUNK;
    const { sip, lead, directory } = makeFleet([trunk]);
    await lead();
    expect(sip.take()[0]?.headers.Contact).toContain('sip:user@sip.example;');
    const other = makeFleet([trunk]);
    other.directory.carriers = { trunks: directory.carriers.trunks, pinged: [] };
    await other.lead();
    expect(other.sip.take()[0]?.headers.Contact).toContain('sip:user@carrier.example;');
  });

  test('goes to the outbound proxy, and has from_domain in To', async () => {
    const { sip, lead, resolved } = makeFleet([
      { ...TRUNK, outboundProxy: 'proxy.example:5080', fromDomain: 'from.example', sips: true, transport: 'tls' },
    ]);
    await lead();
    expect(resolved).toEqual([['proxy.example', 5080, 'tls']]);
    const [sent] = sip.take();
    expect(sent?.peerNames).toEqual(['proxy.example', 'carrier.example']);
    expect(sent?.uri).toBe('sips:carrier.example');
    expect(sent?.headers.To).toBe('<sip:user@from.example>');
  });

  test('goes to the outbound proxy over the transport that its URI names', async () => {
    const { sip, lead, resolved } = makeFleet([{ ...TRUNK, outboundProxy: 'sips:proxy.example;lr' }]);
    await lead();
    expect(resolved).toEqual([['proxy.example', undefined, 'tls']]);
    expect(sip.take()[0]?.nextHop.transport).toBe('tls');
  });

  test('names the TLS peer: the gateway, then the realm; of a redirection its target', async () => {
    const { sip, lead } = makeFleet([{ ...TRUNK, transport: 'tls' }]);
    sip.script(response(302, { Contact: '<sip:other.example;transport=tls>' }));
    await lead();
    expect(sip.take().map(({ peerNames }) => peerNames)).toEqual([[TRUNK.host, TRUNK.realm], ['other.example']]);
    const byAddress = makeFleet([{ ...TRUNK, host: '192.0.2.1', realm: '192.0.2.1' }]);
    await byAddress.lead();
    expect(byAddress.sip.take()[0]?.peerNames).toEqual(['192.0.2.1']);
  });

  test('is not sent when its outbound proxy is not understood, and the failure names it', async () => {
    const { sip, lead, directory } = makeFleet([{ ...TRUNK, outboundProxy: 'sip:proxy.example;transport=ws' }]);
    await lead();
    expect(sip.sent).toEqual([]);
    expect(directory.statuses[0]?.[1].reason).toBe(
      'its settings make no valid request: outbound proxy "sip:proxy.example;transport=ws": transport ws is not udp, tcp or tls',
    );
  });

  test('is not sent when the settings make it invalid, and the failure says so', async () => {
    for (const [broken, named] of [
      [{ realm: 'a b' }, '"sip:a b": malformed host'],
      [{ fromDomain: 'x>\r\nEvil: 1' }, '"sip:user@x>\\r\\nEvil: 1": '],
      [{ outboundProxy: 'a:b:c' }, 'outbound proxy "a:b:c": '],
    ] as const) {
      const { sip, lead, view, directory } = makeFleet([{ ...TRUNK, ...broken }]);
      await lead();
      expect(sip.sent).toEqual([]);
      expect(view().state).toBe('failing');
      expect(view().lastReason).toStartWith(`its settings make no valid request: ${named}`);
      expect(directory.statuses[0]?.[1].status).toBe('fail');
    }
  });

  test('is not sent for what has been removed while its name was being resolved', async () => {
    const { sip, lead, dns, change, timers } = makeFleet();
    const { promise, resolve } = Promise.withResolvers<readonly string[]>();
    dns.set(TRUNK.host, promise);
    await lead();
    await change({ ...TRUNK, gatewaySid: 'gw-2', host: 'other.example' });
    resolve(['192.0.2.9']);
    await timers.advanceAsync(SECOND);
    expect(sip.take().map((s) => [s.headers['Call-ID'], s.headers.Expires])).toEqual([
      ['gw-2', '3600'],
      ['gw-1', '0'],
    ]);
  });

  test('with a control character in its credentials is not sent', async () => {
    const { sip, lead, view } = makeFleet([{ ...TRUNK, username: 'us\u0001er' }]);
    sip.respond = () => response(401, challenge('n'));
    await lead();
    expect(sip.sent).toHaveLength(1);
    expect(view().lastReason).toBe('its settings make no valid request: control characters in Authorization');
  });

  test('keeps its Call-ID and has a higher CSeq each time, also after a restart', async () => {
    const { sip, lead, timers, fleet } = makeFleet();
    await lead();
    await timers.advanceAsync(4000 * SECOND);
    fleet.lost();
    await lead();
    const sent = sip.take();
    expect(sent).toHaveLength(4);
    const numbers = sent.map((s) => Number.parseInt(s.headers.CSeq ?? '', 10));
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(Math.max(...numbers)).toBeLessThan(2 ** 31);
    expect(new Set(sent.map((s) => s.headers['Call-ID']))).toEqual(new Set(['gw-1']));
  });
});

describe('targets', () => {
  test.each([
    ['503', response(503)],
    ['408', LOCAL_408],
    ['a transport error', response(503, {}, { local: true })],
    ['an error of the SIP server', new Unavailable('drachtio', 'no such transport')],
  ])('the next target is tried after %s', async (_, failure) => {
    const { sip, lead, dns, view } = makeFleet();
    dns.set(TRUNK.host, ['192.0.2.1', '2001:db8::2']);
    sip.script(failure);
    await lead();
    expect(sip.take().map((s) => s.nextHop.address)).toEqual(['192.0.2.1', '2001:db8::2']);
    expect(view().state).toBe('registered');
  });

  test('no further target is tried after a final refusal', async () => {
    const { sip, lead, dns, view } = makeFleet();
    dns.set(TRUNK.host, ['192.0.2.1', '192.0.2.2']);
    sip.script(response(403));
    await lead();
    expect(sip.sent).toHaveLength(1);
    expect(view()).toMatchObject({ state: 'failing', lastReason: '403 Forbidden' });
  });

  test('at most eight targets are tried', async () => {
    const { sip, lead, dns } = makeFleet();
    dns.set(
      TRUNK.host,
      Array.from({ length: 20 }, (_, i) => `192.0.2.${i + 1}`),
    );
    sip.respond = () => response(503);
    await lead();
    expect(sip.sent).toHaveLength(8);
  });

  test('a target that did not answer is tried last for five minutes, by other trunks too', async () => {
    const { sip, lead, dns, timers, change } = makeFleet();
    dns.set(TRUNK.host, ['192.0.2.1', '192.0.2.2']);
    sip.respond = ({ nextHop }) => (nextHop.address === '192.0.2.1' ? LOCAL_408 : response(200));
    await lead();
    expect(sip.take().map((s) => s.nextHop.address)).toEqual(['192.0.2.1', '192.0.2.2']);
    await timers.advanceAsync(299 * SECOND);
    await change(TRUNK, { ...TRUNK, gatewaySid: 'gw-2', username: 'second' });
    expect(sip.take().map((s) => s.nextHop.address)).toEqual(['192.0.2.2']);
    await timers.advanceAsync(1 * SECOND);
    await change(TRUNK, { ...TRUNK, gatewaySid: 'gw-3', username: 'third' });
    const third = sip.take().find(({ headers }) => headers['Call-ID'] === 'gw-3');
    expect(third?.nextHop.address).toBe('192.0.2.1');
  });

  test('a target that sent Retry-After with a 503 is tried last for as long as it said', async () => {
    const { sip, lead, dns, timers, change } = makeFleet();
    dns.set(TRUNK.host, ['192.0.2.1', '192.0.2.2']);
    sip.script(response(503, { 'Retry-After': '600' }));
    await lead();
    sip.take();
    await timers.advanceAsync(599 * SECOND);
    await change(TRUNK, { ...TRUNK, gatewaySid: 'gw-2', username: 'second' });
    expect(sip.take()[0]?.nextHop.address).toBe('192.0.2.2');
  });

  test('a target of a family or transport without a socket of ours is skipped', async () => {
    const { sip, lead, dns, view } = makeFleet();
    dns.set(TRUNK.host, ['2001:db8::1', '192.0.2.1', '2001:db8::2']);
    sip.canReach = ({ address }) => isIPv4(address);
    sip.respond = () => response(503);
    await lead();
    expect(sip.take().map((s) => s.nextHop.address)).toEqual(['192.0.2.1']);
    expect(view()).toMatchObject({ lastReason: '503 Reason' });
  });

  test('without a socket towards any target nothing is sent, and the failure says so', async () => {
    const { sip, lead, dns, view, timers } = makeFleet();
    dns.set(TRUNK.host, ['2001:db8::1']);
    sip.canReach = () => false;
    await lead();
    expect(sip.sent).toEqual([]);
    expect(view()).toMatchObject({ state: 'failing', lastReason: 'no UDP socket on IPv6 for 2001:db8::1' });
    expect(view().nextTryAt).toBe(timers.now() + 30 * SECOND);
  });

  test.each([
    [[response(503), new Unavailable('drachtio', 'no such transport')], '503 Reason'],
    [[new Unavailable('drachtio', 'no such transport'), response(503)], '503 Reason'],
    [[response(503), LOCAL_408], '408 Request Timeout, no answer'],
  ])('the failure of a carrier is reported rather than that of our side (%#)', async (results, reason) => {
    const { sip, lead, dns, view, timers } = makeFleet();
    dns.set(TRUNK.host, ['192.0.2.1', '192.0.2.2']);
    sip.script(...results);
    await lead();
    expect(view()).toMatchObject({ lastReason: reason, nextTryAt: timers.now() + 30 * SECOND });
  });

  test('the SIP server says why a target cannot be reached', async () => {
    const { sip, lead, view, directory } = makeFleet();
    const why = 'certificate is for a.example, not b.example';
    sip.script(response(503, {}, { local: true, reason: 'Service Unavailable', why }));
    await lead();
    expect(view().lastReason).toBe(`503 Service Unavailable, ${why}`);
    expect(directory.statuses[0]?.[1].reason).toBe(`503 Service Unavailable, ${why}`);
  });

  test('a name without address is the carrier’s failure, an unavailable DNS is ours', async () => {
    const { sip, lead, dns, view, timers } = makeFleet();
    dns.set(TRUNK.host, new NameError('gw.carrier.example has no address'));
    await lead();
    expect(view()).toMatchObject({ state: 'failing', lastReason: 'gw.carrier.example has no address' });
    expect(view().nextTryAt).toBe(timers.now() + 30 * SECOND);
    dns.set(TRUNK.host, new Unavailable('DNS', 'no answer'));
    await timers.advanceAsync(30 * SECOND);
    expect(view().nextTryAt).toBe(timers.now() + 2 * SECOND);
    expect(sip.sent).toEqual([]);
  });

  test('a redirection is followed to its first SIP URI', async () => {
    const { sip, lead, resolved, view } = makeFleet();
    sip.script(response(302, { Contact: ['<mailto:x@y>', '<sip:someone@other.example:5070;transport=tcp>'] }));
    await lead();
    expect(resolved.at(-1)).toEqual(['other.example', 5070, 'tcp']);
    expect(sip.take().map((s) => s.uri)).toEqual(['sip:carrier.example', 'sip:other.example:5070']);
    expect(view().state).toBe('registered');
  });

  test.each([
    ['a second redirection', [{ Contact: '<sip:b.example>' }, { Contact: '<sip:c.example>' }], 2, 'redirected again'],
    ['a loop', [{ Contact: '<sip:carrier.example>' }], 1, 'redirected again'],
    ['a mailto URI', [{ Contact: '<mailto:x@y>' }], 1, '301 Reason, to nowhere we may follow'],
    ['no Contact', [{}], 1, '301 Reason, to nowhere we may follow'],
  ])('redirection fails for %s', async (_, answers, count, reason) => {
    const { sip, lead, view } = makeFleet();
    sip.script(...answers.map((headers) => response(301, headers)));
    await lead();
    expect(sip.sent).toHaveLength(count);
    expect(view()).toMatchObject({ state: 'failing', lastReason: reason });
  });

  test('a redirection to several is followed in the order of q until one has us', async () => {
    const { sip, lead, dns, view } = makeFleet();
    const contacts = '<sip:c.example>;q=0.1, <sip:no-address.example>;q=0.9, <sip:a.example>, <sip:b.example>;q=0.5';
    dns.set('no-address.example', new NameError('no-address.example has no address'));
    sip.respond = ({ uri }) =>
      uri === 'sip:carrier.example'
        ? response(302, { Contact: contacts })
        : response(uri === 'sip:b.example' ? 200 : 403);
    await lead();
    expect(sip.take().map((s) => s.uri)).toEqual(['sip:carrier.example', 'sip:a.example', 'sip:b.example']);
    expect(view().state).toBe('registered');
  });

  test('a redirection to several fails when all of them do, eight at most', async () => {
    const { sip, lead, view } = makeFleet();
    const contacts = Array.from({ length: 10 }, (_, i) => `<sip:${i}.b.example>`).join();
    sip.respond = ({ uri }) => (uri === 'sip:carrier.example' ? response(302, { Contact: contacts }) : response(403));
    await lead();
    expect(sip.sent).toHaveLength(9);
    expect(view()).toMatchObject({ state: 'failing', lastReason: '403 Forbidden' });
  });

  test('a redirection of a sips trunk to a SIP URI is not followed, by TLS neither', async () => {
    const { sip, lead, view } = makeFleet([{ ...TRUNK, transport: 'tls', sips: true }]);
    sip.script(response(302, { Contact: '<sip:b.example;transport=tls>' }));
    await lead();
    expect(sip.sent).toHaveLength(1);
    expect(view()).toMatchObject({ state: 'failing', lastReason: '302 Reason, to nowhere we may follow' });
  });

  test('a redirection from TLS to UDP is not followed', async () => {
    const { sip, lead, view } = makeFleet([{ ...TRUNK, transport: 'tls' }]);
    sip.script(response(302, { Contact: '<sip:b.example;transport=udp>' }));
    await lead();
    expect(sip.sent).toHaveLength(1);
    expect(view().state).toBe('failing');
  });
});

describe('the target that holds the binding', () => {
  /** A fleet whose registrars grant 30 s, except the dead ones, which never answer. */
  function withRegistrars(...addresses: readonly string[]) {
    const fleet = makeFleet();
    const dead = new Set<string>();
    fleet.dns.set(TRUNK.host, addresses);
    fleet.sip.respond = ({ nextHop, deadlineMs }) => {
      if (!dead.has(nextHop.address)) return response(200, { Expires: '30' });
      const late = Promise.withResolvers<SipResponse>();
      fleet.timers.after(deadlineMs, () => late.reject(new Unavailable('SIP server', 'no response')));
      return late.promise;
    };
    return { ...fleet, dead, targets: () => fleet.sip.take().map(({ nextHop }) => nextHop.address) };
  }

  test('is asked first at a refresh and when un-registering, whatever the order of the DNS', async () => {
    const { dns, lead, timers, targets, change } = withRegistrars('192.0.2.1', '192.0.2.2', '192.0.2.3');
    await lead();
    dns.set(TRUNK.host, ['192.0.2.3', '192.0.2.2', '192.0.2.1']);
    await timers.advanceAsync(15 * SECOND);
    await change();
    expect(targets()).toEqual(['192.0.2.1', '192.0.2.1', '192.0.2.1']);
  });

  test('is not asked when the name no longer leads to it', async () => {
    const { dns, lead, timers, targets } = withRegistrars('192.0.2.1');
    await lead();
    dns.set(TRUNK.host, ['192.0.2.2']);
    await timers.advanceAsync(15 * SECOND);
    expect(targets()).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  test('is asked after the others once it was silent, and is another one then', async () => {
    const { lead, timers, targets, dead } = withRegistrars('192.0.2.1', '192.0.2.2');
    await lead();
    dead.add('192.0.2.1');
    await timers.advanceAsync(29 * SECOND);
    dead.clear();
    await timers.advanceAsync(400 * SECOND);
    expect(new Set(targets().slice(2))).toEqual(new Set(['192.0.2.2']));
  });

  test('costs a binding of 30 s nothing when it is dead, nor does a second dead one', async () => {
    const { lead, timers, view, dead, targets } = withRegistrars('192.0.2.1', '192.0.2.2', '192.0.2.3');
    await lead();
    dead.add('192.0.2.1').add('192.0.2.2');
    await timers.advanceAsync(29 * SECOND);
    expect(targets()).toEqual(['192.0.2.1', '192.0.2.1', '192.0.2.2', '192.0.2.3']);
    expect(view().state).toBe('registered');
    expect(view().expiresAt).toBe(timers.now() + 30 * SECOND - 29 * SECOND + 26.25 * SECOND);
  });

  test('has the usual time for an answer when there is no other target, or no binding to lose', async () => {
    const { lead, timers, sip, dead } = withRegistrars('192.0.2.1');
    await lead();
    dead.add('192.0.2.1');
    await timers.advanceAsync(15 * SECOND);
    expect(sip.take().at(-1)?.deadlineMs).toBe(33 * SECOND);
    const other = withRegistrars('192.0.2.1', '192.0.2.2');
    await other.lead();
    expect(other.sip.take()[0]?.deadlineMs).toBe(33 * SECOND);
  });

  test('has at least two seconds, and one that answers 401 has half of the rest for the credentials', async () => {
    const { lead, timers, sip, dns } = makeFleet([TRUNK], { minExpires: 4 });
    dns.set(TRUNK.host, ['192.0.2.1', '192.0.2.2']);
    sip.script(response(200, { Expires: '30' }), response(401, challenge('a')), response(200, { Expires: '4' }));
    await lead();
    await timers.advanceAsync(15 * SECOND);
    await timers.advanceAsync(2 * SECOND);
    expect(sip.take().map(({ deadlineMs }) => deadlineMs)).toEqual([33_000, 7500, 7500, 2000]);
  });

  test('has the usual time for an answer when the binding lasts longer', async () => {
    const { lead, timers, sip, dns } = makeFleet();
    dns.set(TRUNK.host, ['192.0.2.1', '192.0.2.2']);
    await lead();
    await timers.advanceAsync(1800 * SECOND);
    expect(sip.take().map(({ deadlineMs }) => deadlineMs)).toEqual([33_000, 33_000]);
  });

  test('is no longer first, nor in a hurry, once the binding has expired', async () => {
    const { lead, timers, sip, dns } = makeFleet();
    dns.set(TRUNK.host, ['192.0.2.1', '192.0.2.2']);
    sip.script(response(200, { Expires: '30' }), response(403));
    await lead();
    dns.set(TRUNK.host, ['192.0.2.2', '192.0.2.1']);
    await timers.advanceAsync(45 * SECOND);
    expect(sip.take().at(-1)).toMatchObject({ nextHop: { address: '192.0.2.2' }, deadlineMs: 33_000 });
  });

  test('is not silent when our SIP server fails at once', async () => {
    const { lead, timers, sip, dns, view } = makeFleet();
    dns.set(TRUNK.host, ['192.0.2.1', '192.0.2.2']);
    sip.script(response(200, { Expires: '30' }));
    await lead();
    sip.respond = () => new Unavailable('drachtio', 'not connected');
    await timers.advanceAsync(15 * SECOND);
    expect(view()).toMatchObject({ state: 'failing', lastReason: 'drachtio: not connected' });
    expect(view().nextTryAt).toBe(timers.now() + 2 * SECOND);
  });

  test('is named with its silence when no other target answers either', async () => {
    const { lead, timers, view, dead } = withRegistrars('192.0.2.1', '192.0.2.2');
    await lead();
    dead.add('192.0.2.1').add('192.0.2.2');
    await timers.advanceAsync(60 * SECOND);
    expect(view().state).toBe('failing');
    expect(view().lastReason).toBe('408 Request Timeout, no answer in 8 s');
  });
});

describe('credentials', () => {
  test('are sent after 407, 401 and a stale nonce, with From unchanged', async () => {
    const { sip, lead, view } = makeFleet();
    sip.script(
      response(407, { 'Proxy-Authenticate': 'Digest realm="proxy", nonce="p"' }),
      response(401, challenge('n1')),
      response(401, challenge('n2', ', stale=true')),
    );
    await lead();
    const sent = sip.take();
    const keys = sent.map((s) => Object.keys(s.headers).filter((name) => name.endsWith('Authorization')));
    const both = ['Proxy-Authorization', 'Authorization'];
    expect(keys).toEqual([[], ['Proxy-Authorization'], both, both]);
    expect(sent[3]?.headers.Authorization).toContain('nonce="n2"');
    expect(new Set(sent.map((s) => s.headers.From)).size).toBe(1);
    expect(view().state).toBe('registered');
  });

  test('are not sent again at once after they were refused', async () => {
    const { sip, lead, view } = makeFleet();
    sip.respond = () => response(401, challenge('n'));
    await lead();
    expect(sip.sent).toHaveLength(2);
    expect(view()).toMatchObject({ state: 'failing', lastReason: '401 Unauthorized, credentials refused' });
  });

  test('are not sent for an unsupported challenge', async () => {
    const { sip, lead, view } = makeFleet();
    sip.respond = () => response(401, { 'WWW-Authenticate': 'Digest realm="r", nonce="n", qop="auth-int"' });
    await lead();
    expect(sip.sent).toHaveLength(1);
    expect(view().lastReason).toBe('401 Unauthorized, no challenge we can answer');
  });

  test('are sent with the first request of a refresh', async () => {
    const { sip, lead, timers } = makeFleet();
    sip.script(response(401, challenge('n1')));
    await lead();
    await timers.advanceAsync(1800 * SECOND);
    expect(sip.sent).toHaveLength(3);
    expect(sip.sent[2]?.headers.Authorization).toContain('nc=00000002');
  });

  test('with an expired nonce are renewed, whether the challenge says stale or not', async () => {
    const { sip, lead, timers, view } = makeFleet();
    let nonce = 0;
    sip.respond = ({ headers }) =>
      headers.Authorization?.includes(`nonce="n${nonce}"`) ? response(200) : response(401, challenge(`n${nonce}`));
    await lead();
    for (nonce = 1; nonce < 7; nonce++) {
      sip.take();
      await timers.advanceAsync(1800 * SECOND);
      expect(sip.sent).toHaveLength(2);
      expect(view().state).toBe('registered');
    }
  });

  test.each([
    ['nonces', () => 'r'],
    ['realms', (n: number) => `r${n}`],
  ])('are sent four times when the server keeps challenging with new %s', async (_, realm) => {
    const { sip, lead, view } = makeFleet();
    let nonce = 0;
    sip.respond = () => response(401, { 'WWW-Authenticate': `Digest realm="${realm(++nonce)}", nonce="n${nonce}"` });
    await lead();
    expect(sip.sent).toHaveLength(5);
    expect(view()).toMatchObject({ state: 'failing', lastReason: '401 Unauthorized, credentials refused' });
  });

  test('are made anew for two stale nonces, and for two new ones that are not called stale', async () => {
    for (const more of [', stale=true', '']) {
      const { sip, lead, view } = makeFleet();
      sip.script(...['n1', 'n2', 'n3'].map((nonce) => response(401, challenge(nonce, more))));
      await lead();
      expect(sip.take().at(-1)?.headers.Authorization).toContain('nonce="n3"');
      expect(view().state).toBe('registered');
    }
  });

  test('are made for a registrar and two proxies with three new nonces each, and a 423 twice', async () => {
    const { sip, lead, view } = makeFleet([TRUNK], { defaultExpires: 60 });
    const proxies = (nonce: string) =>
      response(407, { 'Proxy-Authenticate': ['p', 'q'].map((realm) => `Digest realm="${realm}", nonce="${nonce}"`) });
    sip.script(
      ...['1', '2', '3', '4'].map(proxies),
      ...['1', '2', '3', '4'].map((nonce) => response(401, challenge(nonce))),
      response(423, { 'Min-Expires': '600' }),
      response(423, { 'Min-Expires': '900' }),
    );
    await lead();
    expect(view().state).toBe('registered');
    const last = sip.take().at(-1);
    expect(last?.headers.Expires).toBe('900');
    expect(last?.headers.Authorization).toContain('nonce="4"');
    expect(last?.headers['Proxy-Authorization']?.split('\n')).toEqual(
      ['p', 'q'].map((realm) => expect.stringContaining(`realm="${realm}", nonce="4"`)),
    );
  });

  test.each([401, 403])('are made with the next algorithm when a %d refuses the first', async (status) => {
    const { sip, lead, view } = makeFleet();
    const offers = ['SHA-256', 'MD5'].map((a) => `Digest realm="carrier.example", nonce="n", algorithm=${a}`);
    sip.script(response(401, { 'WWW-Authenticate': offers }), response(status, { 'WWW-Authenticate': offers }));
    await lead();
    const algorithms = sip.take().map((s) => /algorithm=([\w-]+)/.exec(s.headers.Authorization ?? '')?.[1]);
    expect(algorithms).toEqual([undefined, 'SHA-256', 'MD5']);
    expect(view().state).toBe('registered');
  });

  test('are forgotten after a 403, so that the next attempt is challenged', async () => {
    const { sip, lead, timers, view } = makeFleet();
    sip.script(response(401, challenge('n1')), response(403), response(401, challenge('n2')));
    await lead();
    expect(view()).toMatchObject({ state: 'failing', lastReason: '403 Forbidden' });
    await timers.advanceAsync(30 * SECOND);
    expect(sip.sent.map((s) => /nonce="(n\d)"/.exec(s.headers.Authorization ?? '')?.[1])).toEqual([
      undefined,
      'n1',
      undefined,
      'n2',
    ]);
    expect(view().state).toBe('registered');
  });
});

describe('the granted expiry', () => {
  const OURS = '<sip:user@acme.sip.example;transport=udp>';
  test.each([
    [
      'that of our Contact among others',
      { Contact: [`<sip:x@y>;expires=60, ${OURS};expires=600`], Expires: '90' },
      600,
    ],
    [
      'that of our Contact in an equivalent form',
      { Contact: ['<sip:a@b>', '<SIP:%75ser@ACME.sip.example;x=1;Transport=UDP>;EXPIRES=700'] },
      700,
    ],
    ['that of the only Contact', { Contact: '<sip:user@192.0.2.9:1024>;expires=300', Expires: '90' }, 300],
    [
      'the shortest, when several Contacts are not ours',
      { Contact: '<sip:a@b>;expires=500, <sip:c@d>;expires=400', Expires: '90' },
      400,
    ],
    ['that of Expires, when our Contact has none', { Contact: OURS, Expires: '120' }, 120],
    ['the requested one, when there is none in the response', {}, 3600],
    ['the requested one, when the headers are malformed', { Contact: '<<>', Expires: 'soon' }, 3600],
    ['at least the minimum', { Expires: '5' }, 30],
    ['at most twice the requested one', { Expires: '99999999999999999999' }, 7200],
    [
      'that of our public address, where a NAT has put it',
      { Contact: '<sip:user@203.0.113.7:1024>;expires=300, <sip:user@198.51.100.1>;expires=60' },
      300,
    ],
  ])('is %s', async (_, headers, expires) => {
    const { sip, lead, view, timers, directory } = makeFleet();
    sip.script(response(200, headers));
    await lead();
    expect(view().expiresAt).toBe(timers.now() + expires * SECOND);
    expect(view().nextTryAt).toBe(timers.now() + expires * 500);
    expect(directory.statuses).toEqual([
      [
        'carrier-1',
        {
          status: 'ok',
          reason: '200 OK',
          callId: 'gw-1',
          expires,
          timestamp: new Date(timers.now()).toISOString(),
          cseq: sip.sent[0]?.headers.CSeq ?? '',
        },
      ],
    ]);
  });

  test('is that of the Contact with our public address of the carrier’s family', async () => {
    const { sip, dns, lead, view, timers } = makeFleet();
    sip.hostports = 'udp/203.0.113.7:5060,udp/[2001:db8::7]:5060';
    dns.set(TRUNK.host, ['2001:db8::1']);
    const Contact = ['<sip:user@203.0.113.7:5060>;expires=60', '<sip:user@[2001:db8::7]:5060>;expires=120'];
    sip.respond = () => response(200, { Contact });
    await lead();
    expect(view().expiresAt).toBe(timers.now() + 120 * SECOND);
  });

  test('is never asked to be 0, which would un-register', async () => {
    const { sip, lead } = makeFleet([TRUNK], { defaultExpires: 0 });
    await lead();
    expect(sip.take()[0]?.headers.Expires).toBe('1');
  });

  test('counts from when the request was sent', async () => {
    const { sip, lead, view, timers } = makeFleet();
    const start = timers.now();
    sip.respond = async () => {
      await new Promise<void>((resolve) => timers.after(20 * SECOND, resolve));
      return response(200, { Expires: '600' });
    };
    await lead();
    await timers.advanceAsync(20 * SECOND);
    expect(view()).toMatchObject({ state: 'registered', expiresAt: start + 600 * SECOND });
  });

  test.each([
    { Contact: `${OURS};expires=0, <sip:a@b>;expires=600` },
    { Contact: '<sip:a@b>;expires=600', Expires: '0' },
    { Expires: '0' },
  ])('is none with %j, which is a failure with backoff', async (headers) => {
    const { sip, lead, view, timers, directory } = makeFleet();
    sip.respond = () => response(200, headers);
    await lead();
    expect(sip.sent).toHaveLength(1);
    const reason = '200 OK, but our Contact is not bound';
    expect(view()).toMatchObject({ state: 'failing', expiresAt: undefined, lastReason: reason });
    expect(directory.statuses.map(([, status]) => status)).toMatchObject([{ status: 'fail', reason }]);
    await timers.advanceAsync(89 * SECOND);
    expect(sip.sent).toHaveLength(2);
  });

  test('423 raises the requested expiry, also for later refreshes', async () => {
    const { sip, lead, view, timers } = makeFleet([TRUNK], { defaultExpires: 60 });
    sip.script(response(423, { 'Min-Expires': '900' }));
    await lead();
    expect(sip.take().map((s) => s.headers.Expires)).toEqual(['60', '900']);
    await timers.advanceAsync(450 * SECOND);
    expect(sip.take().map((s) => s.headers.Expires)).toEqual(['900']);
    sip.respond = () => response(423, { 'Min-Expires': '1000' });
    await timers.advanceAsync(450 * SECOND);
    expect(sip.take().map((s) => s.headers.Expires)).toEqual(['900', '1000']);
    expect(view().state).toBe('failing');
  });

  test('a registration of years, as 423 demands, is refreshed after a day', async () => {
    const { sip, timers, lead, view } = makeFleet();
    sip.script(response(423, { 'Min-Expires': '2000000000' }));
    await lead();
    expect(view()).toMatchObject({ state: 'registered', expiresAt: timers.now() + 2_000_000_000_000 });
    expect((view().nextTryAt ?? 0) - timers.now()).toBeWithin(0.9 * 86_400_000, 1.1 * 86_400_000 + 1);
  });

  test('423 with a higher Min-Expires is followed twice, and a third time is a failure', async () => {
    const { sip, lead, view } = makeFleet([TRUNK], { defaultExpires: 60 });
    let least = 60;
    sip.respond = () => response(423, { 'Min-Expires': String(++least) });
    await lead();
    expect(sip.take().map((s) => s.headers.Expires)).toEqual(['60', '61', '62']);
    expect(view()).toMatchObject({ state: 'failing', lastReason: '423 Reason' });
  });

  test('with Expires: 0 the end of a registration has succeeded', async () => {
    const { sip, lead, change, logger } = makeFleet();
    await lead();
    sip.respond = () => response(200, { Expires: '0' });
    await change();
    expect(logger.lines.filter(({ message }) => message === 'un-registered')).toMatchObject([{ level: 'info' }]);
  });

  test('423 to the end of a registration sends nothing more', async () => {
    const { sip, lead, change } = makeFleet();
    await lead();
    sip.take();
    sip.respond = () => response(423, { 'Min-Expires': '60' });
    await change();
    expect(sip.take().map((s) => s.headers.Expires)).toEqual(['0']);
  });

  test.each([{}, { 'Min-Expires': '10' }, { 'Min-Expires': 'x' }])('423 with %j is a failure', async (headers) => {
    const { sip, lead, view } = makeFleet();
    sip.respond = () => response(423, headers);
    await lead();
    expect(sip.sent).toHaveLength(1);
    expect(view().state).toBe('failing');
  });
});

describe('over time', () => {
  test('it is refreshed at half the expiry, ±10 %, and the status is saved each time', async () => {
    const { sip, lead, timers, directory } = makeFleet([TRUNK], {}, Math.random);
    sip.respond = () => response(200, { Expires: '600' });
    await lead();
    await timers.advanceAsync(86_400 * SECOND);
    const gaps = sip.sent.slice(1).map((s, i) => s.at - (sip.sent[i]?.at ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(270 * SECOND);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(330 * SECOND);
    expect(new Set(gaps.map((gap) => Math.round(gap / 1000))).size).toBeGreaterThan(20);
    // 288 refreshes at exactly half: the jitter is symmetric.
    expect(Math.abs(sip.sent.length - 289)).toBeLessThan(10);
    expect(directory.statuses).toHaveLength(sip.sent.length);
    expect(timers.pending).toBeLessThanOrEqual(3);
  });

  test('the longest possible expiry is refreshed after a day', async () => {
    const { sip, lead, timers, view } = makeFleet([TRUNK], { defaultExpires: 2 ** 32 - 1 });
    sip.respond = () => response(200, { Expires: '4294967295' });
    await lead();
    const sentAt = sip.sent[0]?.at ?? 0;
    expect(view()).toMatchObject({ expiresAt: sentAt + (2 ** 32 - 1) * 1000, nextTryAt: sentAt + 86_400_000 });
    await timers.advanceAsync(86_400 * SECOND);
    expect(sip.sent).toHaveLength(2);
  });

  test('a failure is retried after 30 s, doubled up to the maximum', async () => {
    const { sip, lead, timers } = makeFleet();
    sip.respond = () => response(500);
    await lead();
    await timers.advanceAsync(1110 * SECOND);
    const gaps = sip.sent.slice(1).map((s, i) => (s.at - (sip.sent[i]?.at ?? 0)) / SECOND);
    expect(gaps).toEqual([30, 60, 120, 240, 300, 300]);
  });

  test('the retry delay is jittered by ±10 %', async () => {
    for (const [value, seconds] of [
      [0, 27],
      [0.999999, 33],
    ] as const) {
      const { sip, lead, timers, view } = makeFleet([TRUNK], {}, () => value);
      sip.respond = () => response(500);
      await lead();
      expect(Math.round(((view().nextTryAt ?? 0) - timers.now()) / SECOND)).toBe(seconds);
    }
  });

  test.each([
    ['120', 126],
    ['0', 30],
    ['29', 30.45],
    ['28', 30],
    ['600 (maintenance);duration=60', 630],
    ['999999999', 3780],
    ['tomorrow', 30],
  ])('Retry-After: %s sets the retry delay', async (value, seconds) => {
    const { sip, lead, timers, view } = makeFleet();
    sip.respond = () => response(503, { 'Retry-After': value });
    await lead();
    expect(view().nextTryAt).toBe(timers.now() + seconds * SECOND);
  });

  test('the retry delay is at least a second', async () => {
    const { sip, lead, timers, view } = makeFleet([TRUNK], { failureRetrySeconds: 0 });
    sip.respond = () => response(500);
    await lead();
    expect(view().nextTryAt).toBe(timers.now() + SECOND);
  });

  test('Retry-After never makes the wait shorter than our own', async () => {
    const { sip, lead, timers } = makeFleet();
    sip.respond = () => response(503, { 'Retry-After': '0' });
    await lead();
    await timers.advanceAsync(1110 * SECOND);
    const gaps = sip.sent.slice(1).map((s, i) => (s.at - (sip.sent[i]?.at ?? 0)) / SECOND);
    expect(gaps).toEqual([30, 60, 120, 240, 300, 300]);
  });

  test('a success resets the retry delay', async () => {
    const { sip, lead, timers, view } = makeFleet();
    sip.script(response(500), response(500));
    await lead();
    await timers.advanceAsync(90 * SECOND);
    expect(view()).toMatchObject({ state: 'registered', failures: 0, lastReason: '200 OK' });
    sip.respond = () => response(500);
    await timers.advanceAsync(1800 * SECOND);
    expect(view()).toMatchObject({ state: 'failing', nextTryAt: timers.now() + 30 * SECOND });
  });

  test('an unavailable SIP server is retried soon and does not count against the carrier', async () => {
    const { sip, lead, timers, view, directory } = makeFleet([TRUNK], { removeCodes: [403, 503] });
    await lead();
    sip.respond = () => new Unavailable('drachtio', 'not connected');
    await timers.advanceAsync(1800 * SECOND);
    sip.take();
    await timers.advanceAsync(120 * SECOND);
    const gaps = sip.sent.slice(1).map((s, i) => (s.at - (sip.sent[i]?.at ?? 0)) / SECOND);
    expect(gaps.slice(0, 5)).toEqual([4, 8, 16, 30, 30]);
    expect(view().expiresAt).toBeGreaterThan(timers.now());
    sip.respond = () => response(200);
    await timers.advanceAsync(30 * SECOND);
    expect(view().state).toBe('registered');
    expect(directory.disabled).toEqual([]);
  });

  test('after failed refreshes the binding is shown until it expires', async () => {
    const { sip, lead, timers, view } = makeFleet();
    await lead();
    const until = timers.now() + 3600 * SECOND;
    sip.respond = () => response(500);
    await timers.advanceAsync(1900 * SECOND);
    expect(view()).toMatchObject({ state: 'failing', expiresAt: until });
    await timers.advanceAsync(1700 * SECOND);
    expect(view().expiresAt).toBeUndefined();
  });

  test('a challenge after two minutes is not answered', async () => {
    const { sip, lead, timers, dns, view } = makeFleet();
    dns.set(
      TRUNK.host,
      Array.from({ length: 4 }, (_, i) => `192.0.2.${i + 1}`),
    );
    sip.respond = async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      timers.after(32 * SECOND, resolve);
      await promise;
      return sip.sent.length < 4 ? LOCAL_408 : response(401, challenge('n'));
    };
    await lead();
    await timers.advanceAsync(128 * SECOND);
    expect(sip.sent).toHaveLength(4);
    expect(view()).toMatchObject({ state: 'failing', lastReason: '401 Unauthorized' });
  });

  test('a redirection after two minutes is not followed', async () => {
    const { sip, lead, timers, dns, resolved } = makeFleet();
    dns.set(
      TRUNK.host,
      Array.from({ length: 4 }, (_, i) => `192.0.2.${i + 1}`),
    );
    sip.respond = async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      timers.after(32 * SECOND, resolve);
      await promise;
      return sip.sent.length < 4 ? LOCAL_408 : response(302, { Contact: '<sip:b.example>' });
    };
    await lead();
    await timers.advanceAsync(128 * SECOND);
    expect(sip.sent).toHaveLength(4);
    expect(resolved).toHaveLength(1);
  });

  test('an attempt ends after two minutes, however many targets time out', async () => {
    const { sip, lead, timers, dns, view } = makeFleet();
    dns.set(
      TRUNK.host,
      Array.from({ length: 20 }, (_, i) => `192.0.2.${i + 1}`),
    );
    sip.respond = async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      timers.after(32 * SECOND, resolve);
      await promise;
      return LOCAL_408;
    };
    await lead();
    await timers.advanceAsync(128 * SECOND);
    expect(sip.sent).toHaveLength(4);
    expect(view()).toMatchObject({ state: 'failing', lastReason: '408 Request Timeout, no answer' });
  });

  test('a target that has less than two seconds at the end of an attempt is not called silent', async () => {
    const { sip, lead, timers, dns, view } = makeFleet();
    dns.set(TRUNK.host, ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5']);
    sip.respond = ({ deadlineMs }) => {
      const { promise, resolve, reject } = Promise.withResolvers<SipResponse>();
      if (deadlineMs > 29_750) timers.after(29_750, () => resolve(response(503)));
      else timers.after(deadlineMs, () => reject(new Unavailable('SIP server', 'no response')));
      return promise;
    };
    await lead();
    await timers.advanceAsync(120 * SECOND);
    expect(sip.take().at(-1)?.deadlineMs).toBe(1000);
    expect(view()).toMatchObject({ state: 'failing', lastReason: '503 Reason' });
  });
});

describe('a registration that is refused', () => {
  test('is disabled after the configured number of removal codes in a row', async () => {
    const { sip, lead, timers, view, directory, alerts } = makeFleet([TRUNK], { removeCodes: [403] });
    sip.script(response(403), response(403), response(500), response(403), response(403), response(403));
    await lead();
    await timers.advanceAsync(755 * SECOND);
    expect(sip.sent).toHaveLength(6);
    expect(view()).toMatchObject({ state: 'disabled', nextTryAt: undefined, lastReason: '403 Forbidden' });
    expect(directory.disabled).toEqual([['carrier-1', 'auth']]);
    expect(alerts).toEqual([
      {
        type: 'carrier-disabled',
        message: 'Disabling Outbound Registration for carrier Acme (sid:carrier-1)',
        accountSid: 'account-1',
        targetSid: 'carrier-1',
      },
    ]);
  });

  test('is not disabled when it succeeds in between', async () => {
    const { sip, lead, timers, view, directory } = makeFleet([TRUNK], { removeCodes: [403] });
    sip.script(response(403), response(403), response(200), response(403), response(403));
    await lead();
    await timers.advanceAsync(3600 * SECOND);
    expect(sip.sent).toHaveLength(6);
    expect(view().state).toBe('registered');
    expect(directory.disabled).toEqual([]);
  });

  test('is disabled although our own side failed in between', async () => {
    const { sip, lead, timers, directory } = makeFleet([TRUNK], { removeCodes: [403], failureThreshold: 2 });
    sip.script(response(403), new Unavailable('SIP server', 'away'), response(403));
    await lead();
    await timers.advanceAsync(50 * SECOND);
    expect(sip.sent).toHaveLength(3);
    expect(directory.disabled).toEqual([['carrier-1', 'auth']]);
  });

  test('of trunk type reg deactivates the carrier and releases its addresses', async () => {
    const { sip, lead, directory, alerts, ephemeral, timers } = makeFleet([{ ...TRUNK, trunkType: 'reg' }], {
      removeCodes: [403],
      failureThreshold: 1,
    });
    await lead();
    expect(ephemeral.size).toBe(1);
    sip.respond = () => response(403);
    await timers.advanceAsync(1800 * SECOND);
    expect(directory.disabled).toEqual([['carrier-1', 'reg']]);
    expect(alerts[0]?.message).toBe('Deactivating carrier Acme (sid:carrier-1) due to registration errors');
    expect(ephemeral.size).toBe(0);
  });

  test('is disabled once the database is available, and sends nothing until then', async () => {
    const { sip, lead, directory, timers, alerts } = makeFleet([TRUNK], { removeCodes: [403], failureThreshold: 1 });
    sip.respond = () => {
      directory.down = true;
      return response(403);
    };
    await lead();
    await timers.advanceAsync(40 * SECOND);
    expect(directory.disabled).toEqual([]);
    directory.down = false;
    await timers.advanceAsync(20 * SECOND);
    expect(directory.disabled).toHaveLength(1);
    expect(alerts).toHaveLength(1);
    expect(sip.sent).toHaveLength(1);
  });

  test('is shown as disabled since then, however long the database is away', async () => {
    const { sip, lead, timers, view, directory } = makeFleet([TRUNK], { removeCodes: [403], failureThreshold: 1 });
    sip.respond = () => {
      directory.down = true;
      return response(403);
    };
    await lead();
    const since = timers.now();
    await timers.advanceAsync(300 * SECOND);
    expect(view()).toMatchObject({ state: 'disabled', since });
  });

  test('is not tried to be disabled again once the lead is lost', async () => {
    const { sip, lead, timers, directory, fleet } = makeFleet([TRUNK], { removeCodes: [403], failureThreshold: 1 });
    const late = Promise.withResolvers<void>();
    directory.disableRegistration = () => late.promise;
    sip.respond = () => response(403);
    await lead();
    fleet.lost();
    late.reject(new Unavailable('MySQL', 'no connection'));
    await timers.advanceAsync(0);
    expect(timers.pending).toBe(0);
  });

  test('sends nothing more, not even when it is removed', async () => {
    const { sip, lead, timers, view, change, fleet } = makeFleet([TRUNK], { removeCodes: [403], failureThreshold: 1 });
    sip.script(response(200), response(403));
    await lead();
    await timers.advanceAsync(1800 * SECOND);
    expect(view()).toMatchObject({ state: 'disabled', expiresAt: expect.any(Number) });
    sip.take();
    await change();
    expect(sip.sent).toEqual([]);
    expect(fleet.snapshot()).toEqual([]);
  });

  test('starts again when it is enabled again, not before', async () => {
    const { sip, lead, timers, view, change } = makeFleet([TRUNK], { removeCodes: [403], failureThreshold: 1 });
    sip.script(response(403));
    await lead();
    await change(TRUNK);
    expect(view().state).toBe('disabled');
    await timers.advanceAsync(11 * SECOND);
    await change(TRUNK);
    expect(view().state).toBe('registered');
  });
});
