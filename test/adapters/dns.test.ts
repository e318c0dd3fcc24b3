import { afterEach, describe, expect, test } from 'bun:test';
import { DnsNextHops, type NextHopsOptions } from '../../src/adapters/dns/next-hops.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { NameError } from '../../src/ports/next-hops.ts';
import type { OutboundTransport } from '../../src/sip/next-hop.ts';
import { DnsServer, type Records } from '../support/dns-server.ts';
import { eventually } from '../support/eventually.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers } from '../support/timers.ts';

const servers: DnsServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop();
});

/** Stands in for getaddrinfo, so that tests do not depend on the names this machine knows. */
const noHosts = () => Promise.reject(Object.assign(new Error('unknown'), { code: 'ENOTFOUND' }));

async function start(zone: Record<string, Records>, options: NextHopsOptions = {}) {
  const dns = await DnsServer.start(zone);
  servers.push(dns);
  const clock = new ManualTimers();
  const logger = new RecordingLogger();
  const hops = new DnsNextHops(clock, logger, { servers: [dns.address], hosts: noHosts, ...options });
  const resolve = async (host: string, port?: number, transport: OutboundTransport = 'udp') =>
    (await hops.resolve(host, port, transport)).map(
      ({ address, port, transport }) => `${transport} ${address} ${port}`,
    );
  return { dns, clock, logger, hops, resolve };
}

/** `expect(…).rejects` would block until the promise settles, and the clock with it. */
const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('where a request goes', () => {
  test('an address is used as it is, without a query', async () => {
    const { dns, resolve } = await start({});
    expect(await resolve('192.0.2.1', 5070)).toEqual(['udp 192.0.2.1 5070']);
    expect(await resolve('2001:db8::1', undefined, 'tls')).toEqual(['tls 2001:db8::1 5061']);
    expect(dns.questions).toEqual([]);
  });

  test('a name with a port leads to its addresses, IPv4 and IPv6 in turns', async () => {
    const { dns, resolve } = await start({
      'gw.example.com': { A: ['192.0.2.1', '192.0.2.2'], AAAA: ['2001:db8::1'] },
      'v6.example.com': { AAAA: ['2001:db8::6'] },
      'alias.example.com': { CNAME: 'v6.example.com' },
    });
    expect(await resolve('GW.example.com.', 5070)).toEqual([
      'udp 192.0.2.1 5070',
      'udp 2001:db8::1 5070',
      'udp 192.0.2.2 5070',
    ]);
    expect(await resolve('v6.example.com', 5080, 'tcp')).toEqual(['tcp 2001:db8::6 5080']);
    expect(await resolve('alias.example.com', 5080, 'tcp')).toEqual(['tcp 2001:db8::6 5080']);
    expect(dns.questions.some((question) => question.startsWith('SRV'))).toBe(false);
  });

  test('a name without a port leads to the SRV targets of the transport, by priority and weight', async () => {
    const { resolve } = await start(
      {
        '_sip._udp.example.com': {
          SRV: ['20 0 5062 c.example.com', '10 1 5060 a.example.com', '10 9 5061 b.example.com'],
        },
        '_sip._tcp.example.com': { SRV: ['1 1 5063 a.example.com'] },
        '_sips._tcp.example.com': { SRV: ['1 1 5064 192.0.2.9'] },
        'a.example.com': { A: ['192.0.2.1'] },
        'b.example.com': { A: ['192.0.2.2', '192.0.2.3'] },
        'c.example.com': { A: ['192.0.2.4'] },
      },
      { random: () => 0.5 },
    );
    const byUdp = ['udp 192.0.2.2 5061', 'udp 192.0.2.3 5061', 'udp 192.0.2.1 5060', 'udp 192.0.2.4 5062'];
    expect(await resolve('example.com')).toEqual(byUdp);
    expect(await resolve('example.com', undefined, 'tcp')).toEqual(['tcp 192.0.2.1 5063']);
    expect(await resolve('example.com', undefined, 'tls')).toEqual(['tls 192.0.2.9 5064']);
  });

  test('a name without SRV records leads to its addresses and the default port', async () => {
    const { resolve } = await start({
      'example.com': { A: ['192.0.2.1'] },
      '_sip._udp.example.com': {},
    });
    expect(await resolve('example.com')).toEqual(['udp 192.0.2.1 5060']);
    expect(await resolve('example.com', undefined, 'tls')).toEqual(['tls 192.0.2.1 5061']);
  });

  test('an SRV target without addresses is skipped; if all are, the name is refused', async () => {
    const { resolve } = await start({
      '_sip._udp.some.example.com': { SRV: ['1 1 5060 gone.example.com', '2 1 5060 here.example.com'] },
      '_sip._udp.none.example.com': { SRV: ['1 1 5060 gone.example.com'] },
      'none.example.com': { A: ['192.0.2.1'] },
      'here.example.com': { A: ['192.0.2.1'] },
    });
    expect(await resolve('some.example.com')).toEqual(['udp 192.0.2.1 5060']);
    await expect(resolve('none.example.com')).rejects.toThrow(NameError);
  });

  test('the SRV target "." means that there is no such service (RFC 2782)', async () => {
    const { resolve } = await start({
      '_sip._udp.example.com': { SRV: ['0 0 0 .'] },
      'example.com': { A: ['192.0.2.1'] },
    });
    const denied = new NameError('example.com has no SIP service over udp');
    await expect(resolve('example.com')).rejects.toThrow(denied);
    expect(await resolve('example.com', undefined, 'tcp')).toEqual(['tcp 192.0.2.1 5060']);
  });

  test('the SRV target "." beside others is no target', async () => {
    const { resolve } = await start(
      {
        '_sip._udp.example.com': { SRV: ['0 0 0 .', '1 1 5070 gw.example.com'] },
        'gw.example.com': { A: ['192.0.2.1'] },
      },
      { hosts: async () => ['127.0.0.1'] },
    );
    expect(await resolve('example.com')).toEqual(['udp 192.0.2.1 5070']);
  });

  test('one name is asked for once, however it is spelled', async () => {
    const { dns, resolve } = await start({
      '_sip._udp.example.com': { SRV: ['1 1 5060 GW.example.com', '2 1 5061 gw.example.com'] },
      'gw.example.com': { A: ['192.0.2.1'] },
    });
    await resolve('Example.com.');
    await resolve('example.com');
    await resolve('gw.example.com.', 5060);
    expect(dns.questions.toSorted()).toEqual(['A gw.example.com', 'AAAA gw.example.com', 'SRV _sip._udp.example.com']);
  });

  test('no timer is left when a name is resolved', async () => {
    const { clock, resolve } = await start({
      '_sip._udp.example.com': { SRV: ['1 1 5060 gw.example.com'] },
      'gw.example.com': { A: ['192.0.2.1'], AAAA: ['2001:db8::1'] },
    });
    await resolve('example.com');
    await expect(resolve('gone.example.com', 5060)).rejects.toThrow(NameError);
    expect(clock.pending).toBe(0);
  });

  test('a next hop that two targets share is listed once, at its first place', async () => {
    const { resolve } = await start({
      '_sip._udp.example.com': { SRV: ['1 1 5060 a.example.com', '2 1 5060 b.example.com', '3 1 5070 a.example.com'] },
      'a.example.com': { A: ['192.0.2.1'] },
      'b.example.com': { A: ['192.0.2.2', '192.0.2.1'] },
    });
    expect(await resolve('example.com')).toEqual(['udp 192.0.2.1 5060', 'udp 192.0.2.2 5060', 'udp 192.0.2.1 5070']);
  });

  test('all next hops are listed, up to sixty-four; a warning an hour says that there are more', async () => {
    const addresses = (count: number) => Array.from({ length: count }, (_, i) => `192.0.2.${i + 1}`);
    const targets = addresses(70).map((address, i) => [`t${i}.example.com`, address] as const);
    const { dns, clock, logger, resolve } = await start({
      'many.example.com': { A: addresses(40), AAAA: ['2001:db8::1'] },
      'more.example.com': { A: addresses(65) },
      '_sip._udp.targets.example.com': { SRV: targets.map(([name]) => `1 1 5060 ${name}`) },
      ...Object.fromEntries(targets.map(([name, address]) => [name, { A: [address] }])),
    });
    expect(await resolve('many.example.com', 5060)).toHaveLength(41);
    expect(logger.lines).toEqual([]);
    expect(await resolve('more.example.com', 5060)).toHaveLength(64);
    expect(await resolve('more.example.com', 5060)).toHaveLength(64);
    expect(await resolve('targets.example.com')).toHaveLength(64);
    expect(dns.questions.filter((question) => question.startsWith('A t'))).toHaveLength(64);
    const warned = () => logger.lines.map(({ fields }) => fields);
    expect(warned()).toEqual([
      { name: 'more.example.com', targets: 65, used: 64 },
      { name: 'targets.example.com', targets: 70, used: 64 },
    ]);
    clock.advance(3_600_000);
    await resolve('more.example.com', 5060);
    expect(warned()).toHaveLength(3);
  });

  test.each([
    [
      'port.example.com',
      5060,
      'port.example.com has no address; it has SRV records, which the configured port 5060 rules out',
    ],
    ['other.example.com', 5060, 'other.example.com has no address; it has SRV records for tcp and tls'],
    [
      'other.example.com',
      undefined,
      'other.example.com has no SRV records for udp and no address; it has SRV records for tcp and tls',
    ],
    [
      'naptr.example.com',
      undefined,
      'naptr.example.com has no SRV records for udp and no address; its NAPTR records are not followed',
    ],
    ['naptr.example.com', 5060, 'naptr.example.com has no address; its NAPTR records are not followed'],
    ['gone.example.com', undefined, 'gone.example.com has no SRV records for udp and no address'],
    ['gone.example.com', 5060, 'gone.example.com has no address'],
    ['empty.example.com', undefined, 'empty.example.com has SRV records for udp, but their targets have no address'],
    [
      'both.example.com',
      undefined,
      'both.example.com has no SRV records for udp and no address; it has SRV records for tcp',
    ],
    ['pbx', undefined, 'pbx has no address'],
    ['.', undefined, 'an empty name has no address'],
  ])('the error for %s with port %p says what is missing', async (name, port, message) => {
    const { resolve } = await start({
      '_sip._udp.port.example.com': { SRV: ['1 1 5070 gw.example.com'] },
      '_sip._tcp.other.example.com': { SRV: ['1 1 5070 gw.example.com'] },
      '_sips._tcp.other.example.com': { SRV: ['1 1 5070 gw.example.com'] },
      'naptr.example.com': { NAPTR: ['_sip._udp.gw.example.com'] },
      'both.example.com': { NAPTR: ['_sip._tcp.both.example.com'] },
      '_sip._tcp.both.example.com': { SRV: ['1 1 5070 gw.example.com'] },
      '_sip._udp.empty.example.com': { SRV: ['1 1 5070 gone.example.com'] },
      'gw.example.com': { A: ['192.0.2.1'] },
    });
    await expect(resolve(name, port)).rejects.toThrow(new NameError(message));
  });

  test('the error for a name without address does not wait longer than a second for what there is instead', async () => {
    const { dns, clock, resolve } = await start({ 'a.example.com': {} });
    dns.moodOf.set('NAPTR', 'silent');
    const failure = failureOf(resolve('a.example.com', 5060));
    await eventually('the question', () => dns.asked('NAPTR a.example.com') > 0 || undefined);
    clock.advance(1000);
    expect(await failure).toEqual(new NameError('a.example.com has no address'));
  });

  test.each(['gone.example.com', 'a..b', `${'x'.repeat(300)}.test`, '', '.'])('%p has no address', async (name) => {
    const { resolve } = await start({});
    await expect(resolve(name)).rejects.toThrow(NameError);
    await expect(resolve(name, 5060)).rejects.toThrow(NameError);
  });

  test('a name that is not in the DNS is looked up in the hosts of this machine', async () => {
    const hosts = async (name: string) => (name === 'pbx.office.lan' ? ['192.0.2.7'] : noHosts());
    const { dns, resolve } = await start({}, { hosts });
    expect(await resolve('pbx.office.lan')).toEqual(['udp 192.0.2.7 5060']);
    dns.mood = 'silent';
    const here = new DnsNextHops(new ManualTimers(), new RecordingLogger(), { servers: [dns.address] });
    const [hop] = await here.resolve('localhost', undefined, 'tcp');
    expect(hop).toMatchObject({ port: 5060, transport: 'tcp' });
    expect(['127.0.0.1', '::1']).toContain(hop?.address ?? '');
    expect(dns.asked('A localhost')).toBe(0);
  });
});

describe('the cache', () => {
  test('keeps an answer for its TTL', async () => {
    const { dns, clock, resolve } = await start({ 'gw.example.com': { A: ['192.0.2.1'], ttl: 120 } });
    await resolve('gw.example.com', 5060);
    clock.advance(119_999);
    dns.zone = { 'gw.example.com': { A: ['192.0.2.2'], ttl: 120 } };
    expect(await resolve('gw.example.com', 5060)).toEqual(['udp 192.0.2.1 5060']);
    expect(dns.asked('A gw.example.com')).toBe(1);
    clock.advance(1);
    expect(await resolve('gw.example.com', 5060)).toEqual(['udp 192.0.2.2 5060']);
  });

  test.each([
    [0, 1000],
    [604_800, 3_600_000],
  ])('keeps an answer with a TTL of %p s for %p ms', async (ttl, ms) => {
    const { dns, clock, resolve } = await start({ 'gw.example.com': { A: ['192.0.2.1'], ttl } });
    await resolve('gw.example.com', 5060);
    clock.advance(ms - 1);
    await resolve('gw.example.com', 5060);
    expect(dns.asked('A gw.example.com')).toBe(1);
    clock.advance(1);
    await resolve('gw.example.com', 5060);
    expect(dns.asked('A gw.example.com')).toBe(2);
  });

  test('keeps SRV records for a minute, and an unknown name for ten seconds', async () => {
    const { dns, clock, resolve } = await start({
      '_sip._udp.example.com': { SRV: ['1 1 5070 gw.example.com'], ttl: 86_400 },
      'gw.example.com': { A: ['192.0.2.1'], ttl: 86_400 },
    });
    await resolve('example.com');
    clock.advance(59_999);
    await resolve('example.com');
    expect(dns.asked('SRV _sip._udp.example.com')).toBe(1);
    clock.advance(1);
    await resolve('example.com');
    expect(dns.asked('SRV _sip._udp.example.com')).toBe(2);

    await expect(resolve('new.example.com', 5060)).rejects.toThrow(NameError);
    dns.zone = { 'new.example.com': { A: ['192.0.2.8'] } };
    clock.advance(9999);
    await expect(resolve('new.example.com', 5060)).rejects.toThrow(NameError);
    clock.advance(1);
    expect(await resolve('new.example.com', 5060)).toEqual(['udp 192.0.2.8 5060']);
  });

  test('keeps what the hosts of this machine said for half a minute', async () => {
    let asked = 0;
    const hosts = async () => [`192.0.2.${++asked}`];
    const { clock, resolve } = await start({}, { hosts });
    await resolve('pbx');
    clock.advance(29_999);
    expect(await resolve('pbx')).toEqual(['udp 192.0.2.1 5060']);
    clock.advance(1);
    expect(await resolve('pbx')).toEqual(['udp 192.0.2.2 5060']);
  });

  test('sends one query for a thousand concurrent callers', async () => {
    const { dns, resolve } = await start({ 'gw.example.com': { A: ['192.0.2.1'] } });
    const all = await Promise.all(Array.from({ length: 1000 }, () => resolve('gw.example.com')));
    expect(new Set(all.flat())).toEqual(new Set(['udp 192.0.2.1 5060']));
    expect(dns.questions.toSorted()).toEqual([
      'A gw.example.com',
      'AAAA gw.example.com',
      'SRV _sip._udp.gw.example.com',
    ]);
  });
});

describe('when the DNS fails', () => {
  test.each(['SERVFAIL', 'REFUSED'] as const)('%s does not mean that the name is unknown', async (mood) => {
    const { dns, resolve } = await start({ 'gw.example.com': { A: ['192.0.2.1'] } });
    dns.mood = mood;
    await expect(resolve('gw.example.com')).rejects.toThrow(Unavailable);
    await expect(resolve('gw.example.com', 5060)).rejects.toThrow(Unavailable);
    dns.mood = 'answers';
    expect(await resolve('gw.example.com')).toEqual(['udp 192.0.2.1 5060']);
  });

  test.each(['SERVFAIL', 'REFUSED', 'NOTIMP', 'FORMERR', 'malformed', 'silent'] as const)(
    'SRV records that cannot be had (%s) lead to the addresses of the name, as if there were none',
    async (mood) => {
      const { dns, clock, logger, resolve } = await start({
        '_sip._udp.gw.example.com': { SRV: ['1 1 5070 other.example.com'] },
        'gw.example.com': { A: ['192.0.2.1'] },
        'other.example.com': { A: ['192.0.2.2'] },
      });
      dns.moodOf.set('SRV', mood);
      const resolved = resolve('gw.example.com');
      await eventually('the question', () => dns.asked('SRV _sip._udp.gw.example.com') > 0 || undefined);
      clock.advance(2000);
      expect(await resolved).toEqual(['udp 192.0.2.1 5060']);
      expect(logger.lines).toMatchObject([{ level: 'warn', fields: { name: 'gw.example.com' } }]);
      dns.moodOf.clear();
      expect(await resolve('gw.example.com')).toEqual(['udp 192.0.2.2 5070']);
    },
  );

  test('SRV records that cannot be had are a warning once an hour', async () => {
    const { dns, logger, resolve } = await start({ 'gw.example.com': { A: ['192.0.2.1'] } });
    dns.moodOf.set('SRV', 'SERVFAIL');
    await resolve('gw.example.com');
    await resolve('gw.example.com');
    expect(logger.lines).toHaveLength(1);
  });

  test('questions that wait for their turn: SRV records for 2.1 s, all together for 5 s', async () => {
    const release = Promise.withResolvers<readonly string[]>();
    const { dns, clock, resolve } = await start(
      {
        '_sip._udp.gw.example.com': { SRV: ['1 1 5070 other.example.com'] },
        'gw.example.com': { A: ['192.0.2.1'] },
        'other.example.com': { A: ['192.0.2.2'] },
      },
      { hosts: () => release.promise },
    );
    const blocking = Promise.allSettled(Array.from({ length: 100 }, (_, i) => resolve(`host${i}`)));
    await clock.advanceAsync(0);
    const first = failureOf(resolve('gw.example.com'));
    await clock.advanceAsync(2500);
    const second = resolve('gw.example.com');
    await clock.advanceAsync(2500);
    expect(await first).toEqual(new Unavailable('DNS', 'gw.example.com: no answer in time'));
    expect(dns.questions).toEqual([]);
    release.resolve(['192.0.2.9']);
    await blocking;
    expect(await second).toEqual(['udp 192.0.2.1 5060']);
  });

  test('a question without an answer is given up after 2 s', async () => {
    const { dns, clock, resolve } = await start({});
    dns.mood = 'silent';
    const failure = failureOf(resolve('gw.example.com', 5060));
    await eventually('the question', () => dns.asked('A gw.example.com') > 0 || undefined);
    clock.advance(2000);
    expect(await failure).toEqual(new Unavailable('DNS', 'gw.example.com: no answer in time'));
  });

  test('a name without addresses of one family waits for those of the other', async () => {
    const { dns, clock, resolve } = await start({ 'v6.example.com': { AAAA: ['2001:db8::6'] } });
    dns.moodOf.set('AAAA', 'silent');
    const failure = failureOf(resolve('v6.example.com', 5060));
    await eventually('the second question', () => dns.asked('AAAA v6.example.com') === 2 || undefined);
    // By now the answer for A is there.
    expect(clock.next).toBeGreaterThan(1000);
    clock.advance(2000);
    expect(await failure).toBeInstanceOf(Unavailable);
  });

  test('an answer with a long TTL is served for an hour beyond it', async () => {
    const { dns, clock, resolve } = await start({ 'gw.example.com': { A: ['192.0.2.1'], ttl: 3600 } });
    await resolve('gw.example.com', 5060);
    dns.mood = 'SERVFAIL';
    clock.advance(7_199_999);
    expect(await resolve('gw.example.com', 5060)).toEqual(['udp 192.0.2.1 5060']);
  });

  test('that a name is unknown is not served', async () => {
    const { dns, clock, resolve } = await start({});
    await expect(resolve('new.example.com', 5060)).rejects.toThrow(NameError);
    dns.mood = 'SERVFAIL';
    clock.advance(10_000);
    await expect(resolve('new.example.com', 5060)).rejects.toThrow(Unavailable);
  });

  test('SRV records that cannot be had do not mean that a name without addresses is unknown', async () => {
    const { dns, resolve } = await start({ '_sip._udp.example.com': { SRV: ['1 1 5070 gw.example.com'] } });
    dns.moodOf.set('SRV', 'SERVFAIL');
    await expect(resolve('example.com')).rejects.toThrow(Unavailable);
  });

  test('known SRV records are used while the question about them fails', async () => {
    const { dns, clock, resolve } = await start({
      '_sip._udp.example.com': { SRV: ['1 1 5070 gw.example.com'] },
      'gw.example.com': { A: ['192.0.2.1'] },
      'example.com': { A: ['192.0.2.2'] },
    });
    await resolve('example.com');
    dns.moodOf.set('SRV', 'SERVFAIL');
    clock.advance(60_000);
    expect(await resolve('example.com')).toEqual(['udp 192.0.2.1 5070']);
  });

  test('addresses of one family are used alone for half a minute when the question about the other failed', async () => {
    const { dns, clock, resolve } = await start({
      'gw.example.com': { A: ['192.0.2.1'], AAAA: ['2001:db8::1'], ttl: 3600 },
    });
    dns.moodOf.set('AAAA', 'SERVFAIL');
    expect(await resolve('gw.example.com', 5060)).toEqual(['udp 192.0.2.1 5060']);
    dns.moodOf.clear();
    clock.advance(29_999);
    expect(await resolve('gw.example.com', 5060)).toHaveLength(1);
    clock.advance(1);
    expect(await resolve('gw.example.com', 5060)).toHaveLength(2);
  });

  test('a server that does not answer is asked twice, and is Unavailable after 5 s', async () => {
    const { dns, clock, resolve } = await start({});
    dns.mood = 'silent';
    const failure = failureOf(resolve('gw.example.com', 5060));
    await eventually('the second question', () => dns.asked('A gw.example.com') === 2 || undefined);
    clock.advance(5000);
    expect(await failure).toBeInstanceOf(Unavailable);
  });

  test('a server that never answers for AAAA does not hold up the rest', async () => {
    const { dns, clock, resolve } = await start({ 'gw.example.com': { A: ['192.0.2.1'] } });
    dns.moodOf.set('AAAA', 'silent');
    const resolved = resolve('gw.example.com', 5060);
    await eventually('the timer that the answer for A starts', () => (clock.next ?? 0) < 1000 || undefined);
    clock.advance(1000);
    expect(await resolved).toEqual(['udp 192.0.2.1 5060']);
  });

  test('its last answers are served for an hour, with a new query every half minute and two lines in the log', async () => {
    const { dns, clock, logger, resolve } = await start({
      '_sip._udp.example.com': { SRV: ['1 1 5070 gw.example.com'] },
      'gw.example.com': { A: ['192.0.2.1'], ttl: 60 },
    });
    const usual = await resolve('example.com');
    dns.mood = 'SERVFAIL';
    clock.advance(60_000);
    expect(await resolve('example.com')).toEqual(usual);
    const asked = dns.questions.length;
    clock.advance(29_999);
    expect(await resolve('example.com')).toEqual(usual);
    expect(dns.questions).toHaveLength(asked);
    clock.advance(1);
    expect(await resolve('example.com')).toEqual(usual);
    expect(dns.questions.length).toBeGreaterThan(asked);
    expect(logger.lines).toMatchObject([
      { level: 'warn', fields: { name: '_sip._udp.example.com' } },
      { level: 'debug', fields: { name: 'gw.example.com' } },
    ]);

    clock.advance(3_600_000);
    await expect(resolve('example.com')).rejects.toThrow(Unavailable);
    dns.mood = 'answers';
    expect(await resolve('example.com')).toEqual(usual);
    expect(logger.lines.slice(2)).toMatchObject([{ level: 'info', message: 'DNS answers again' }]);
  });

  test('a caller that can have the last answer does not wait for the whole deadline', async () => {
    const { dns, clock, resolve } = await start({ 'gw.example.com': { A: ['192.0.2.1'], ttl: 60 } });
    await resolve('gw.example.com', 5060);
    dns.mood = 'silent';
    clock.advance(60_000);
    const known = [resolve('gw.example.com', 5060), resolve('gw.example.com', 5060)];
    let failed = false;
    const unknown = resolve('unheard-of.example.com', 5060).catch(() => {
      failed = true;
    });
    await eventually('both questions', () =>
      dns.asked('A gw.example.com') > 1 && dns.asked('A unheard-of.example.com') > 0 ? true : undefined,
    );
    clock.advance(1800);
    expect(await Promise.all(known)).toEqual([['udp 192.0.2.1 5060'], ['udp 192.0.2.1 5060']]);
    expect(failed).toBe(false);
    clock.advance(3200);
    await unknown;
    expect(failed).toBe(true);
  });

  test('a stale answer is served 1.8 s after a question that stays open', async () => {
    let hosts = async (): Promise<readonly string[]> => ['192.0.2.7'];
    const { clock, resolve } = await start({}, { hosts: () => hosts() });
    await resolve('pbx');
    hosts = () => Promise.withResolvers<readonly string[]>().promise;
    clock.advance(30_000);
    const stale = resolve('pbx');
    await clock.advanceAsync(1800);
    expect(await stale).toEqual(['udp 192.0.2.7 5060']);
  });

  test('three hundred names at once are answered, and in an outage all fail', async () => {
    const names = Array.from({ length: 300 }, (_, i) => `gw${i}.example.com`);
    const { dns, resolve } = await start(Object.fromEntries(names.map((name) => [name, { A: ['192.0.2.1'] }])));
    const found = await Promise.all(names.map((name) => resolve(name, 5060)));
    expect(found.every(([hop]) => hop === 'udp 192.0.2.1 5060')).toBe(true);
    dns.mood = 'SERVFAIL';
    const ends = await Promise.allSettled(names.map((name) => resolve(`no-${name}`, 5060)));
    expect(ends.every((end) => end.status === 'rejected' && end.reason instanceof Unavailable)).toBe(true);
  }, 20_000);

  test('a name that has become unknown is refused, although it was known', async () => {
    const { dns, clock, resolve } = await start({ 'gw.example.com': { A: ['192.0.2.1'], ttl: 60 } });
    await resolve('gw.example.com', 5060);
    dns.zone = {};
    clock.advance(60_000);
    await expect(resolve('gw.example.com', 5060)).rejects.toThrow(NameError);
  });
});
