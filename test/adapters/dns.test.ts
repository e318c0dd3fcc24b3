import { afterEach, describe, expect, test } from 'bun:test';
import { DnsNextHops, type NextHopsOptions } from '../../src/adapters/dns/next-hops.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { NameError } from '../../src/ports/next-hops.ts';
import type { OutboundTransport } from '../../src/sip/next-hop.ts';
import { ManualClock } from '../support/clock.ts';
import { DnsServer, type Records } from '../support/dns-server.ts';
import { RecordingLogger } from '../support/logger.ts';

const servers: DnsServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop();
});

/** Stands for this machine's own names, which are none of a test's business. */
const nobody = () => Promise.reject(Object.assign(new Error('unknown'), { code: 'ENOTFOUND' }));

async function start(zone: Record<string, Records>, options: NextHopsOptions = {}) {
  const dns = await DnsServer.start(zone);
  servers.push(dns);
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const hops = new DnsNextHops(clock, logger, { servers: [dns.address], hosts: nobody, ...options });
  const resolve = async (host: string, port?: number, transport: OutboundTransport = 'udp') =>
    (await hops.resolve(host, port, transport)).map(
      ({ address, port, transport }) => `${transport} ${address} ${port}`,
    );
  return { dns, clock, logger, hops, resolve };
}

describe('where a request goes', () => {
  test('an address is taken as it is, without a question', async () => {
    const { dns, resolve } = await start({});
    expect(await resolve('192.0.2.1', 5070)).toEqual(['udp 192.0.2.1 5070']);
    expect(await resolve('2001:db8::1', undefined, 'tls')).toEqual(['tls 2001:db8::1 5061']);
    expect(dns.questions).toEqual([]);
  });

  test('of a name with a port the addresses, both families in turns', async () => {
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

  test('of a name alone the SRV records of the transport, by priority and weight', async () => {
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

  test('without SRV records the addresses and the default port, whether the SRV name exists or not', async () => {
    const { resolve } = await start({
      'example.com': { A: ['192.0.2.1'] },
      '_sip._udp.example.com': {},
    });
    expect(await resolve('example.com')).toEqual(['udp 192.0.2.1 5060']);
    expect(await resolve('example.com', undefined, 'tls')).toEqual(['tls 192.0.2.1 5061']);
  });

  test('a target without address is left out; without any there is no name', async () => {
    const { resolve } = await start({
      '_sip._udp.some.example.com': { SRV: ['1 1 5060 gone.example.com', '2 1 5060 here.example.com'] },
      '_sip._udp.none.example.com': { SRV: ['1 1 5060 gone.example.com'] },
      'none.example.com': { A: ['192.0.2.1'] },
      'here.example.com': { A: ['192.0.2.1'] },
    });
    expect(await resolve('some.example.com')).toEqual(['udp 192.0.2.1 5060']);
    await expect(resolve('none.example.com')).rejects.toThrow(NameError);
  });

  test('a target "." means no service, not the addresses of the name', async () => {
    const { resolve } = await start({
      '_sip._udp.example.com': { SRV: ['0 0 0 .'] },
      'example.com': { A: ['192.0.2.1'] },
    });
    await expect(resolve('example.com')).rejects.toThrow(NameError);
    expect(await resolve('example.com', undefined, 'tcp')).toEqual(['tcp 192.0.2.1 5060']);
  });

  test('a place that two names lead to is tried once, where it came first', async () => {
    const { resolve } = await start({
      '_sip._udp.example.com': { SRV: ['1 1 5060 a.example.com', '2 1 5060 b.example.com', '3 1 5070 a.example.com'] },
      'a.example.com': { A: ['192.0.2.1'] },
      'b.example.com': { A: ['192.0.2.2', '192.0.2.1'] },
    });
    expect(await resolve('example.com')).toEqual(['udp 192.0.2.1 5060', 'udp 192.0.2.2 5060', 'udp 192.0.2.1 5070']);
  });

  test('no more than sixteen places', async () => {
    const addresses = Array.from({ length: 40 }, (_, i) => `192.0.2.${i + 1}`);
    const { resolve } = await start({ 'many.example.com': { A: addresses } });
    expect(await resolve('many.example.com', 5060)).toHaveLength(16);
  });

  test.each(['gone.example.com', 'a..b', `${'x'.repeat(300)}.test`, '', '.'])('%p has no address', async (name) => {
    const { resolve } = await start({});
    await expect(resolve(name)).rejects.toThrow(NameError);
    await expect(resolve(name, 5060)).rejects.toThrow(NameError);
  });

  test('what is not in the DNS may be a name that this machine knows', async () => {
    const hosts = async (name: string) => (name === 'pbx.office.lan' ? ['192.0.2.7'] : nobody());
    const { dns, resolve } = await start({}, { hosts });
    expect(await resolve('pbx.office.lan')).toEqual(['udp 192.0.2.7 5060']);
    dns.mood = 'silent';
    const here = new DnsNextHops(new ManualClock(), new RecordingLogger(), { servers: [dns.address] });
    const [hop] = await here.resolve('localhost', undefined, 'tcp');
    expect(hop).toMatchObject({ port: 5060, transport: 'tcp' });
    expect(['127.0.0.1', '::1']).toContain(hop?.address ?? '');
    expect(dns.asked('A localhost')).toBe(0);
  });
});

describe('what it remembers', () => {
  test('an answer for its TTL', async () => {
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
  ])('a TTL of %p s for %p ms', async (ttl, ms) => {
    const { dns, clock, resolve } = await start({ 'gw.example.com': { A: ['192.0.2.1'], ttl } });
    await resolve('gw.example.com', 5060);
    clock.advance(ms - 1);
    await resolve('gw.example.com', 5060);
    expect(dns.asked('A gw.example.com')).toBe(1);
    clock.advance(1);
    await resolve('gw.example.com', 5060);
    expect(dns.asked('A gw.example.com')).toBe(2);
  });

  test('SRV records for a minute, and that there is nothing for ten seconds', async () => {
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

  test('a thousand who ask at once are one question', async () => {
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
  test.each(['SERVFAIL', 'REFUSED'] as const)('%s is no "no"', async (mood) => {
    const { dns, resolve } = await start({ 'gw.example.com': { A: ['192.0.2.1'] } });
    dns.mood = mood;
    await expect(resolve('gw.example.com')).rejects.toThrow(Unavailable);
    await expect(resolve('gw.example.com', 5060)).rejects.toThrow(Unavailable);
    dns.mood = 'answers';
    expect(await resolve('gw.example.com')).toEqual(['udp 192.0.2.1 5060']);
  });

  test('silence ends within the deadline, and is asked about twice', async () => {
    const { dns, resolve } = await start({});
    dns.mood = 'silent';
    await expect(resolve('gw.example.com', 5060)).rejects.toThrow(Unavailable);
    expect(dns.asked('A gw.example.com')).toBe(2);
  });

  test('a server that never answers for AAAA does not hold up the rest', async () => {
    const { dns, resolve } = await start({ 'gw.example.com': { A: ['192.0.2.1'] } });
    dns.silentFor.add('AAAA');
    expect(await resolve('gw.example.com', 5060)).toEqual(['udp 192.0.2.1 5060']);
    // A question that is waited for to the end is asked twice.
    expect(dns.asked('AAAA gw.example.com')).toBe(1);
  });

  test('its last answers serve on, and it is asked again every half minute, for an hour', async () => {
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
      { level: 'warn', fields: { name: 'gw.example.com' } },
    ]);

    clock.advance(3_600_000);
    await expect(resolve('example.com')).rejects.toThrow(Unavailable);
    dns.mood = 'answers';
    expect(await resolve('example.com')).toEqual(usual);
    expect(logger.lines.slice(2).map(({ message }) => message)).toEqual(['DNS answers again', 'DNS answers again']);
  });

  test('whoever could have the last answer does not wait for the whole deadline', async () => {
    const { dns, clock, resolve } = await start({ 'gw.example.com': { A: ['192.0.2.1'], ttl: 60 } });
    await resolve('gw.example.com', 5060);
    dns.mood = 'silent';
    clock.advance(60_000);
    const ends: string[] = [];
    await Promise.all([
      resolve('gw.example.com', 5060).then(([hop = '']) => ends.push(hop)),
      resolve('gw.example.com', 5060).then(([hop = '']) => ends.push(hop)),
      resolve('unheard-of.example.com', 5060).catch(() => ends.push('failed')),
    ]);
    expect(ends).toEqual(['udp 192.0.2.1 5060', 'udp 192.0.2.1 5060', 'failed']);
  });

  test('three hundred names at once are answered, and in an outage they all fail in time', async () => {
    const names = Array.from({ length: 300 }, (_, i) => `gw${i}.example.com`);
    const { dns, resolve } = await start(Object.fromEntries(names.map((name) => [name, { A: ['192.0.2.1'] }])));
    const found = await Promise.all(names.map((name) => resolve(name, 5060)));
    expect(found.every(([hop]) => hop === 'udp 192.0.2.1 5060')).toBe(true);
    dns.mood = 'SERVFAIL';
    const ends = await Promise.allSettled(names.map((name) => resolve(`no-${name}`, 5060)));
    expect(ends.every((end) => end.status === 'rejected' && end.reason instanceof Unavailable)).toBe(true);
  }, 20_000);

  test('a name that is gone is gone, whatever it was before', async () => {
    const { dns, clock, resolve } = await start({ 'gw.example.com': { A: ['192.0.2.1'], ttl: 60 } });
    await resolve('gw.example.com', 5060);
    dns.zone = {};
    clock.advance(60_000);
    await expect(resolve('gw.example.com', 5060)).rejects.toThrow(NameError);
  });
});
