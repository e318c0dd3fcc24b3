import { describe, expect, test } from 'bun:test';
import { VERSION } from '../../src/lib/version.ts';
import type { Trunk } from '../../src/ports/carriers.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { NameError } from '../../src/ports/next-hops.ts';
import { challenge, makeFleet, response, TRUNK } from './world.ts';

const SECOND = 1000;
const LOCAL_408 = response(408, {}, { local: true });

describe('the REGISTER', () => {
  test('is as RFC 3261 10.2 wants it', async () => {
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
    ['that of TCP', { publicIpInContact: true, transport: 'tcp' }, 'sip:user@203.0.113.9:5070;transport=tcp'],
    [
      'that of UDP without TLS',
      { publicIpInContact: true, transport: 'tls' },
      'sip:user@203.0.113.7:5060;transport=tls',
    ],
    ['sips', { sips: true, transport: 'tls' }, 'sips:user@acme.sip.example;transport=tls'],
    ['from_user', { fromUser: 'line@1' }, 'sip:line%401@acme.sip.example;transport=udp'],
  ];
  test.each(CONTACTS)('has in Contact: %s', async (_, changes, contact) => {
    const { sip, lead } = makeFleet([{ ...TRUNK, ...changes }]);
    await lead();
    expect(sip.take()[0]?.headers.Contact).toBe(`<${contact}>;expires=3600`);
  });

  test('without an account realm has the system’s domain in Contact, without that the carrier’s', async () => {
    const { accountRealm, ...trunk } = TRUNK;
    const { sip, lead, directory } = makeFleet([trunk]);
    await lead();
    expect(sip.take()[0]?.headers.Contact).toContain('sip:user@sip.example;');
    const other = makeFleet([trunk]);
    other.directory.carriers = { trunks: directory.carriers.trunks, pinged: [] };
    await other.lead();
    expect(other.sip.take()[0]?.headers.Contact).toContain('sip:user@carrier.example;');
  });

  test('goes to the proxy when there is one; From takes its own domain', async () => {
    const { sip, lead, resolved } = makeFleet([
      { ...TRUNK, outboundProxy: 'proxy.example:5080', fromDomain: 'from.example', sips: true, transport: 'tls' },
    ]);
    await lead();
    expect(resolved).toEqual([['proxy.example', 5080, 'tls']]);
    const [sent] = sip.take();
    expect(sent?.uri).toBe('sips:carrier.example');
    expect(sent?.headers.To).toBe('<sip:user@from.example>');
  });

  test('that the settings make impossible is a failure that says so, not a broken header', async () => {
    for (const broken of [{ realm: 'a b' }, { fromDomain: 'x>\r\nEvil: 1' }, { outboundProxy: 'a:b:c' }]) {
      const { sip, lead, view, directory } = makeFleet([{ ...TRUNK, ...broken }]);
      await lead();
      expect(sip.sent).toEqual([]);
      expect(view()).toMatchObject({ state: 'failing', lastReason: expect.stringContaining('settings') });
      expect(directory.statuses[0]?.[1].status).toBe('fail');
    }
  });

  test('has the same Call-ID and a higher CSeq each time, over restarts too', async () => {
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

describe('where it goes', () => {
  test.each([
    ['503', response(503)],
    ['408', LOCAL_408],
    ['a transport error', response(503, {}, { local: true })],
    ['a refusal of the SIP server', new Unavailable('drachtio', 'no such transport')],
  ])('to the next target after %s', async (_, failure) => {
    const { sip, lead, dns, view } = makeFleet();
    dns.set(TRUNK.host, ['192.0.2.1', '2001:db8::2']);
    sip.script(failure);
    await lead();
    expect(sip.take().map((s) => s.nextHop.address)).toEqual(['192.0.2.1', '2001:db8::2']);
    expect(view().state).toBe('registered');
  });

  test('not to the next one after a final refusal', async () => {
    const { sip, lead, dns, view } = makeFleet();
    dns.set(TRUNK.host, ['192.0.2.1', '192.0.2.2']);
    sip.script(response(403));
    await lead();
    expect(sip.sent).toHaveLength(1);
    expect(view()).toMatchObject({ state: 'failing', lastReason: '403 Forbidden' });
  });

  test('to no more than eight', async () => {
    const { sip, lead, dns } = makeFleet();
    dns.set(
      TRUNK.host,
      Array.from({ length: 20 }, (_, i) => `192.0.2.${i + 1}`),
    );
    sip.answer = () => response(503);
    await lead();
    expect(sip.sent).toHaveLength(8);
  });

  test('a target that did not answer is the last to be tried for a while', async () => {
    const { sip, lead, dns, timers } = makeFleet();
    dns.set(TRUNK.host, ['192.0.2.1', '192.0.2.2']);
    sip.answer = ({ nextHop }) => (nextHop.address === '192.0.2.1' ? LOCAL_408 : response(200, { Expires: '120' }));
    await lead();
    await timers.advanceAsync(60 * SECOND);
    expect(sip.take().map((s) => s.nextHop.address)).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.2']);
    sip.answer = () => response(200, { Expires: '120' });
    await timers.advanceAsync(300 * SECOND);
    expect(sip.take().at(-1)?.nextHop.address).toBe('192.0.2.1');
  });

  test('a name without address is a failure of the carrier, no DNS one of ours', async () => {
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

  test('301 and 302 are followed once, and only to where SIP goes', async () => {
    const { sip, lead, resolved, view } = makeFleet();
    sip.script(response(302, { Contact: ['<mailto:x@y>', '<sip:someone@other.example:5070;transport=tcp>'] }));
    await lead();
    expect(resolved.at(-1)).toEqual(['other.example', 5070, 'tcp']);
    expect(sip.take().map((s) => s.uri)).toEqual(['sip:carrier.example', 'sip:other.example:5070']);
    expect(view().state).toBe('registered');
  });

  test.each([
    ['a second one', [{ Contact: '<sip:b.example>' }, { Contact: '<sip:c.example>' }], 2, 'redirected again'],
    ['a loop', [{ Contact: '<sip:carrier.example>' }], 1, 'redirected again'],
    ['mailto', [{ Contact: '<mailto:x@y>' }], 1, '301 Reason, to nowhere we may follow'],
    ['nowhere', [{}], 1, '301 Reason, to nowhere we may follow'],
  ])('of redirections, %s is a failure', async (_, answers, count, reason) => {
    const { sip, lead, view } = makeFleet();
    sip.script(...answers.map((headers) => response(301, headers)));
    await lead();
    expect(sip.sent).toHaveLength(count);
    expect(view()).toMatchObject({ state: 'failing', lastReason: reason });
  });

  test('a redirection does not lead out of TLS', async () => {
    const { sip, lead, view } = makeFleet([{ ...TRUNK, transport: 'tls' }]);
    sip.script(response(302, { Contact: '<sip:b.example;transport=udp>' }));
    await lead();
    expect(sip.sent).toHaveLength(1);
    expect(view().state).toBe('failing');
  });
});

describe('credentials', () => {
  test('answer 407, then 401, then a stale nonce, with From unchanged', async () => {
    const { sip, lead, view } = makeFleet();
    sip.script(
      response(407, { 'Proxy-Authenticate': 'Digest realm="proxy", nonce="p"' }),
      response(401, challenge('n1')),
      response(401, challenge('n2', ', stale=true')),
    );
    await lead();
    const sent = sip.take();
    const keys = sent.map((s) => Object.keys(s.headers).filter((name) => name.endsWith('Authorization')));
    expect(keys).toEqual([[], ['Proxy-Authorization'], ['Authorization', 'Proxy-Authorization'], keys[2] ?? []]);
    expect(sent[3]?.headers.Authorization).toContain('nonce="n2"');
    expect(new Set(sent.map((s) => s.headers.From)).size).toBe(1);
    expect(view().state).toBe('registered');
  });

  test('that are refused are not sent again before the retry', async () => {
    const { sip, lead, view } = makeFleet();
    sip.answer = () => response(401, challenge('n'));
    await lead();
    expect(sip.sent).toHaveLength(2);
    expect(view()).toMatchObject({ state: 'failing', lastReason: '401 Unauthorized, credentials refused' });
  });

  test('for a challenge that we cannot answer are not made', async () => {
    const { sip, lead, view } = makeFleet();
    sip.answer = () => response(401, { 'WWW-Authenticate': 'Digest realm="r", nonce="n", qop="auth-int"' });
    await lead();
    expect(sip.sent).toHaveLength(1);
    expect(view().lastReason).toBe('401 Unauthorized, no challenge we can answer');
  });

  test('go with the refresh from the start', async () => {
    const { sip, lead, timers } = makeFleet();
    sip.script(response(401, challenge('n1')));
    await lead();
    await timers.advanceAsync(1800 * SECOND);
    expect(sip.sent).toHaveLength(3);
    expect(sip.sent[2]?.headers.Authorization).toContain('nc=00000002');
  });

  test('of an old nonce are no failure, said to be stale or not', async () => {
    const { sip, lead, timers, view } = makeFleet();
    let nonce = 0;
    sip.answer = ({ headers }) =>
      headers.Authorization?.includes(`nonce="n${nonce}"`) ? response(200) : response(401, challenge(`n${nonce}`));
    await lead();
    for (nonce = 1; nonce < 4; nonce++) {
      sip.take();
      await timers.advanceAsync(1800 * SECOND);
      expect(sip.sent).toHaveLength(2);
      expect(view().state).toBe('registered');
    }
  });

  test('a server that challenges for ever is left', async () => {
    const { sip, lead, view } = makeFleet();
    let nonce = 0;
    sip.answer = () => response(401, { 'WWW-Authenticate': `Digest realm="r${++nonce}", nonce="n${nonce}"` });
    await lead();
    expect(sip.sent).toHaveLength(6);
    expect(view().state).toBe('failing');
  });
});

describe('expiry', () => {
  const OURS = '<sip:user@acme.sip.example;transport=udp>';
  test.each([
    ['of our Contact among others', { Contact: [`<sip:x@y>;expires=60, ${OURS};expires=600`], Expires: '90' }, 600],
    [
      'of our Contact, spelled otherwise',
      { Contact: ['<sip:a@b>', '<SIP:%75ser@ACME.sip.example;x=1;Transport=UDP>;EXPIRES=700'] },
      700,
    ],
    ['of the only Contact', { Contact: '<sip:user@192.0.2.9:1024>;expires=300', Expires: '90' }, 300],
    [
      'of Expires, when several are not ours',
      { Contact: '<sip:a@b>;expires=5, <sip:c@d>;expires=6', Expires: '90' },
      90,
    ],
    ['of Expires, when our Contact has none', { Contact: OURS, Expires: '120' }, 120],
    ['as asked', {}, 3600],
    ['as asked, when nothing can be read', { Contact: '<<>', Expires: 'soon' }, 3600],
    ['at least the minimum', { Expires: '5' }, 30],
    ['at most what there is', { Expires: '99999999999999999999' }, 2 ** 32 - 1],
  ])('is that %s', async (_, headers, expires) => {
    const { sip, lead, view, timers, directory } = makeFleet();
    sip.script(response(200, headers));
    await lead();
    expect(view().expiresAt).toBe(timers.now() + expires * SECOND);
    expect(view().nextTryAt).toBe(timers.now() + expires * 500);
    expect(directory.statuses).toEqual([
      [
        'carrier-1',
        {
          ...{ status: 'ok', reason: '200 OK', callId: 'gw-1', expires },
          timestamp: new Date(timers.now()).toISOString(),
          cseq: sip.sent[0]?.headers.CSeq ?? '',
        },
      ],
    ]);
  });

  test('423 raises what is asked, once, and for the refreshes after it', async () => {
    const { sip, lead, view, timers } = makeFleet([TRUNK], { defaultExpires: 60 });
    sip.script(response(423, { 'Min-Expires': '900' }));
    await lead();
    expect(sip.take().map((s) => s.headers.Expires)).toEqual(['60', '900']);
    await timers.advanceAsync(450 * SECOND);
    expect(sip.take().map((s) => s.headers.Expires)).toEqual(['900']);
    sip.answer = () => response(423, { 'Min-Expires': '1000' });
    await timers.advanceAsync(450 * SECOND);
    expect(sip.take().map((s) => s.headers.Expires)).toEqual(['900', '1000']);
    expect(view().state).toBe('failing');
  });

  test('423 that raises it again and again is a failure', async () => {
    const { sip, lead, view } = makeFleet([TRUNK], { defaultExpires: 60 });
    let least = 60;
    sip.answer = () => response(423, { 'Min-Expires': String(++least) });
    await lead();
    expect(sip.sent).toHaveLength(2);
    expect(view().state).toBe('failing');
  });

  test.each([{}, { 'Min-Expires': '10' }, { 'Min-Expires': 'x' }])('423 with %j is a failure', async (headers) => {
    const { sip, lead, view } = makeFleet();
    sip.answer = () => response(423, headers);
    await lead();
    expect(sip.sent).toHaveLength(1);
    expect(view().state).toBe('failing');
  });
});

describe('over time', () => {
  test('a day: refreshed at half the expiry, ±10 %, and the status saved each time', async () => {
    const { sip, lead, timers, directory } = makeFleet([TRUNK], {}, Math.random);
    sip.answer = () => response(200, { Expires: '600' });
    await lead();
    await timers.advanceAsync(86_400 * SECOND);
    const gaps = sip.sent.slice(1).map((s, i) => s.at - (sip.sent[i]?.at ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(270 * SECOND);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(330 * SECOND);
    expect(new Set(gaps.map((gap) => Math.round(gap / 1000))).size).toBeGreaterThan(20);
    // 288 at exactly half: the jitter is to both sides.
    expect(Math.abs(sip.sent.length - 289)).toBeLessThan(10);
    expect(directory.statuses).toHaveLength(sip.sent.length);
    expect(timers.pending).toBeLessThanOrEqual(3);
  });

  test('the longest expiry there is makes one refresh, not a storm of them', async () => {
    const { sip, lead, timers, view } = makeFleet();
    sip.answer = () => response(200, { Expires: '4294967295' });
    await lead();
    await timers.advanceAsync(40 * 86_400 * SECOND);
    expect(sip.sent).toHaveLength(1);
    expect(view().nextTryAt).toBe((sip.sent[0]?.at ?? 0) + (2 ** 32 - 1) * 500);
  });

  test('failures are tried again after 30 s, doubled up to the maximum', async () => {
    const { sip, lead, timers } = makeFleet();
    sip.answer = () => response(500);
    await lead();
    await timers.advanceAsync(1110 * SECOND);
    const gaps = sip.sent.slice(1).map((s, i) => (s.at - (sip.sent[i]?.at ?? 0)) / SECOND);
    expect(gaps).toEqual([30, 60, 120, 240, 300, 300]);
  });

  test('with jitter of 10 % to either side', async () => {
    for (const [value, seconds] of [
      [0, 27],
      [0.999999, 33],
    ] as const) {
      const { sip, lead, timers, view } = makeFleet([TRUNK], {}, () => value);
      sip.answer = () => response(500);
      await lead();
      expect(Math.round(((view().nextTryAt ?? 0) - timers.now()) / SECOND)).toBe(seconds);
    }
  });

  test.each([
    ['120', 126],
    ['0', 1.05],
    ['600 (maintenance);duration=60', 630],
    ['999999999', 3780],
    ['tomorrow', 30],
  ])('Retry-After: %s is heeded', async (value, seconds) => {
    const { sip, lead, timers, view } = makeFleet();
    sip.answer = () => response(503, { 'Retry-After': value });
    await lead();
    expect(view().nextTryAt).toBe(timers.now() + seconds * SECOND);
  });

  test('a success forgets the failures', async () => {
    const { sip, lead, timers, view } = makeFleet();
    sip.script(response(500), response(500));
    await lead();
    await timers.advanceAsync(90 * SECOND);
    expect(view()).toMatchObject({ state: 'registered', failures: 0, lastReason: '200 OK' });
    sip.answer = () => response(500);
    await timers.advanceAsync(1800 * SECOND);
    expect(view()).toMatchObject({ state: 'failing', nextTryAt: timers.now() + 30 * SECOND });
  });

  test('a lost SIP server is tried again soon and is no failure of the carrier', async () => {
    const { sip, lead, timers, view, directory } = makeFleet([TRUNK], { removeCodes: [403, 503] });
    await lead();
    sip.answer = () => new Unavailable('drachtio', 'not connected');
    await timers.advanceAsync(1800 * SECOND);
    sip.take();
    await timers.advanceAsync(120 * SECOND);
    const gaps = sip.sent.slice(1).map((s, i) => (s.at - (sip.sent[i]?.at ?? 0)) / SECOND);
    expect(gaps.slice(0, 5)).toEqual([4, 8, 16, 30, 30]);
    expect(view().expiresAt).toBeGreaterThan(timers.now());
    sip.answer = () => response(200);
    await timers.advanceAsync(30 * SECOND);
    expect(view().state).toBe('registered');
    expect(directory.disabled).toEqual([]);
  });

  test('after failed refreshes the carrier has us until the granted time is over', async () => {
    const { sip, lead, timers, view } = makeFleet();
    await lead();
    const until = timers.now() + 3600 * SECOND;
    sip.answer = () => response(500);
    await timers.advanceAsync(1900 * SECOND);
    expect(view()).toMatchObject({ state: 'failing', expiresAt: until });
    await timers.advanceAsync(1700 * SECOND);
    expect(view().expiresAt).toBeUndefined();
  });

  test('a whole try ends some time, however many targets time out', async () => {
    const { sip, lead, timers, dns, view } = makeFleet();
    dns.set(
      TRUNK.host,
      Array.from({ length: 20 }, (_, i) => `192.0.2.${i + 1}`),
    );
    sip.answer = async () => {
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
});

describe('a carrier that refuses', () => {
  test('is switched off after so many of the named codes in a row', async () => {
    const { sip, lead, timers, view, directory, alerts } = makeFleet([TRUNK], { removeCodes: [403] });
    sip.script(response(403), response(403), response(500), response(403), response(403), response(403));
    await lead();
    await timers.advanceAsync(755 * SECOND);
    expect(sip.sent).toHaveLength(6);
    expect(view()).toMatchObject({ state: 'disabled', nextTryAt: undefined, lastReason: '403 Forbidden' });
    expect(directory.disabled).toEqual([['carrier-1', 'auth']]);
    expect(alerts).toEqual([
      { message: 'Disabling Outbound Registration for carrier Acme (sid:carrier-1)', accountSid: 'account-1' },
    ]);
  });

  test('is not, when it accepts in between', async () => {
    const { sip, lead, timers, view, directory } = makeFleet([TRUNK], { removeCodes: [403] });
    sip.script(response(403), response(403), response(200), response(403), response(403));
    await lead();
    await timers.advanceAsync(3600 * SECOND);
    expect(sip.sent).toHaveLength(6);
    expect(view().state).toBe('registered');
    expect(directory.disabled).toEqual([]);
  });

  test('of trunk type reg is deactivated', async () => {
    const { sip, lead, directory, alerts, ephemeral, timers } = makeFleet([{ ...TRUNK, trunkType: 'reg' }], {
      removeCodes: [403],
      failureThreshold: 1,
    });
    await lead();
    expect(ephemeral.size).toBe(1);
    sip.answer = () => response(403);
    await timers.advanceAsync(1800 * SECOND);
    expect(directory.disabled).toEqual([['carrier-1', 'reg']]);
    expect(alerts[0]?.message).toBe('Deactivating carrier Acme (sid:carrier-1) due to registration errors');
    expect(ephemeral.size).toBe(0);
  });

  test('is switched off as soon as the database answers, and nothing is sent meanwhile', async () => {
    const { sip, lead, directory, timers, alerts } = makeFleet([TRUNK], { removeCodes: [403], failureThreshold: 1 });
    sip.answer = () => {
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

  test('begins anew when somebody enables it again, and not before', async () => {
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
