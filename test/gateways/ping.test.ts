import { describe, expect, test } from 'bun:test';
import { isIPv4 } from 'node:net';
import type { Gateway } from '../../src/ports/carriers.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import type { OutboundRequest } from '../../src/ports/sip-server.ts';
import type { NextHop } from '../../src/sip/next-hop.ts';
import { gateway, INTERVAL_MS, startPinger } from './support.ts';

describe('the OPTIONS', () => {
  async function requestTo(changes: Partial<Gateway>) {
    const { pinger, interval, sent } = startPinger();
    pinger.update([gateway(1, changes)]);
    pinger.start();
    await interval();
    return sent[0]?.request;
  }

  test('goes to the gateway, from our address on that transport', async () => {
    expect(await requestTo({})).toEqual({
      method: 'OPTIONS',
      uri: 'sip:192.0.2.1',
      nextHop: { address: '192.0.2.1', port: 5060, transport: 'udp' },
      peerNames: ['192.0.2.1'],
      headers: {
        From: '<sip:sbc-sip-sidecar@203.0.113.9:5060>',
        To: '<sip:192.0.2.1>',
        Accept: 'application/sdp',
        'User-Agent': 'test/1',
      },
    });
  });

  test.each([
    [{ port: 5070 }, 'sip:192.0.2.1:5070', { address: '192.0.2.1', port: 5070, transport: 'udp' }],
    [{ transport: 'tcp' }, 'sip:192.0.2.1;transport=tcp', { address: '192.0.2.1', port: 5060, transport: 'tcp' }],
    [{ transport: 'tls' }, 'sip:192.0.2.1;transport=tls', { address: '192.0.2.1', port: 5060, transport: 'tls' }],
    [
      { transport: 'tls', sips: true, port: 5061 },
      'sips:192.0.2.1:5061',
      { address: '192.0.2.1', port: 5061, transport: 'tls' },
    ],
    [{ host: '2001:db8::1' }, 'sip:[2001:db8::1]', { address: '2001:db8::1', port: 5060, transport: 'udp' }],
  ] satisfies [Partial<Gateway>, string, NextHop][])('to %p has the Request-URI %s', async (changes, uri, nextHop) => {
    expect(await requestTo(changes)).toMatchObject({ uri, nextHop });
  });

  test('goes to the next address when one does not answer, up to three', async () => {
    const { pinger, interval, sent, peers, names, state, alerts } = startPinger();
    names.set('sip.test', ['192.0.2.11', '192.0.2.12', '192.0.2.13', '192.0.2.14']);
    pinger.update([gateway(1, { host: 'sip.test' })]);
    pinger.start();
    peers.set('192.0.2.11', 'local 503').set('192.0.2.12', 408);
    await interval();
    expect(sent.map(({ request }) => request.nextHop.address)).toEqual(['192.0.2.11', '192.0.2.12', '192.0.2.13']);
    expect(state(1)).toBe('up');
    peers.set('192.0.2.13', 500);
    await interval();
    expect(sent).toHaveLength(6);
    expect(state(1)).toBe('down');
    expect(alerts[0]?.message).toEndWith('500 Reason 500');
  });

  test('is not sent for a name without address, which is the gateway’s failure; a DNS outage is not', async () => {
    const { pinger, interval, names, state, alerts } = startPinger();
    names.set('none.test', []).set('later.test', 'offline');
    pinger.update([gateway(1, { host: 'none.test' }), gateway(2, { host: 'later.test' })]);
    pinger.start();
    await interval();
    expect([state(1), state(2)]).toEqual(['down', 'unknown']);
    expect(alerts.map((a) => a.message)).toEqual([
      'OPTIONS ping of gateway none.test (udp) of carrier Carrier 1 failed: none.test has no address',
    ]);
    expect(pinger.snapshot()[1]).toMatchObject({ notPinged: 'DNS: no answer' });
  });

  test.each([
    ['192.0.2.1', '203.0.113.9:5060'],
    ['2001:db8::1', '[2001:db8:9::9]:5060'],
  ])('to %s comes from our address of that family', async (host, own) => {
    expect((await requestTo({ host }))?.headers.From).toBe(`<sip:sbc-sip-sidecar@${own}>`);
  });

  test('names the TLS peer: the outbound proxy, then the gateway', async () => {
    const tls = { transport: 'tls', host: 'gw.test' } as const;
    expect((await requestTo(tls))?.peerNames).toEqual(['gw.test']);
    const names = ['proxy.test', 'gw.test'];
    expect((await requestTo({ ...tls, outboundProxy: 'proxy.test:5070' }))?.peerNames).toEqual(names);
    expect((await requestTo({ ...tls, outboundProxy: '192.0.2.9' }))?.peerNames).toEqual(['192.0.2.9', 'gw.test']);
  });

  test('says why our SIP server could not reach the gateway', async () => {
    const { pinger, interval, peers } = startPinger();
    peers.set('192.0.2.1', 'local 503, certificate is for a.test');
    pinger.update([gateway(1)]);
    pinger.start();
    await interval();
    expect(pinger.snapshot()[0]?.lastAnswer).toBe('not reached (503 Reason 503, certificate is for a.test)');
  });
});

test('a ping waits longer than Timer F of the SIP server', async () => {
  const { pinger, interval, sent } = startPinger();
  pinger.update([gateway(1)]);
  pinger.start();
  await interval();
  expect(sent[0]?.deadlineMs).toBeGreaterThan(32_000);
});

test('the round-trip time is that of the answer', async () => {
  const { pinger, timers, peers, held } = startPinger();
  peers.set('192.0.2.1', 'silent');
  pinger.update([gateway(1)]);
  pinger.start();
  await timers.advanceAsync(INTERVAL_MS);
  await timers.advanceAsync(120);
  held.shift()?.(200);
  await timers.advanceAsync(0);
  // Sent in the middle of the interval.
  expect(pinger.snapshot()[0]?.rttMs).toBe(30_120);
});

test('without a reported listener of ours the OPTIONS has a reserved name in From', async () => {
  const sip = { hostports: '', canReach: () => true };
  const request = Promise.withResolvers<OutboundRequest>();
  const { pinger, interval } = startPinger({
    sip: {
      ...sip,
      request(sent) {
        request.resolve(sent);
        return Promise.reject(new Unavailable('SIP server', 'not connected'));
      },
    },
  });
  pinger.update([gateway(1)]);
  pinger.start();
  await interval();
  expect((await request.promise).headers.From).toBe('<sip:sbc-sip-sidecar@sidecar.invalid>');
});

test('a fault of ours is logged as an error, and no verdict', async () => {
  const { pinger, interval, names, peers, sent, state, logger, alerts } = startPinger();
  names.set('sip.test', ['192.0.2.11', '192.0.2.12']);
  peers.set('192.0.2.11', new TypeError('a fault'));
  pinger.update([gateway(1, { host: 'sip.test' })]);
  pinger.start();
  await interval();
  expect([state(1), sent.length, alerts.length]).toEqual(['unknown', 1, 0]);
  expect(logger.lines).toMatchObject([{ level: 'error', fields: { why: expect.stringContaining('a fault') } }]);
});

describe('the outbound proxy of a carrier', () => {
  test('gets the OPTIONS in place of the gateway, which need not be reachable directly', async () => {
    const { pinger, interval, sent, peers, names, resolved, state, listed } = startPinger();
    names.set('proxy.test', ['192.0.2.99']);
    peers.set('192.0.2.1', 'local 503');
    pinger.update([gateway(1, { port: 5070, outboundProxy: 'sip:proxy.test:5080;transport=tcp;lr' })]);
    pinger.start();
    await interval();
    expect(resolved).toEqual([['proxy.test', 5080, 'tcp']]);
    expect(sent.map(({ request }) => [request.uri, request.nextHop.address])).toEqual([
      ['sip:192.0.2.1:5070', '192.0.2.99'],
    ]);
    expect([state(1), listed.size]).toEqual(['up', 0]);
    peers.set('192.0.2.99', 503);
    await interval();
    expect([state(1), listed.size]).toEqual(['down', 1]);
  });

  test('that is not understood is shown and logged once, and no verdict about the gateway', async () => {
    const { pinger, interval, sent, state, listed, logger, alerts } = startPinger();
    pinger.update([gateway(1, { outboundProxy: 'sip:proxy.test;transport=ws' })]);
    pinger.start();
    for (let i = 0; i < 3; i++) await interval();
    const notPinged = 'outbound proxy "sip:proxy.test;transport=ws": transport ws is not udp, tcp or tls';
    expect(pinger.snapshot()[0]).toMatchObject({ state: 'unknown', notPinged });
    expect([sent.length, listed.size, alerts.length]).toEqual([0, 0, 0]);
    expect(logger.lines.filter(({ level }) => level !== 'debug')).toMatchObject([
      { level: 'warn', fields: { why: notPinged } },
    ]);
    pinger.update([gateway(1)]);
    await interval();
    expect(state(1)).toBe('up');
    expect(pinger.snapshot()[0]?.notPinged).toBeUndefined();
  });
});

describe('a target without a socket of ours', () => {
  test('is skipped, and the others decide', async () => {
    const { pinger, interval, sent, peers, names, reach, state } = startPinger();
    names.set('sip.test', ['2001:db8::1', '2001:db8::2', '2001:db8::3', '192.0.2.11']);
    reach.canReach = ({ address }) => isIPv4(address);
    pinger.update([gateway(1, { host: 'sip.test' })]);
    pinger.start();
    await interval();
    expect(sent.map(({ request }) => request.nextHop.address)).toEqual(['192.0.2.11']);
    expect(state(1)).toBe('up');
    peers.set('192.0.2.11', 503);
    await interval();
    expect(state(1)).toBe('down');
  });

  test('does not count as a failure between two others', async () => {
    const { pinger, interval, peers, reach, state } = startPinger({ failureThreshold: 2 });
    peers.set('192.0.2.1', 503);
    pinger.update([gateway(1)]);
    pinger.start();
    for (const canReach of [true, false, true]) {
      reach.canReach = () => canReach;
      await interval();
    }
    expect(state(1)).toBe('unknown');
    await interval();
    expect(state(1)).toBe('down');
  });

  test('is no verdict when there is no other, and takes a gateway that was down off the blacklist', async () => {
    const { pinger, timers, interval, names, peers, reach, sent, listed } = startPinger();
    names.set('sip.test', ['192.0.2.11']);
    peers.set('192.0.2.11', 503);
    pinger.update([gateway(1, { host: 'sip.test' })]);
    pinger.start();
    await interval();
    expect(listed.size).toBe(1);
    names.set('sip.test', ['2001:db8::1']);
    reach.canReach = () => false;
    await interval();
    const notPinged = 'no UDP socket on IPv6 for 2001:db8::1';
    expect(pinger.snapshot()[0]).toMatchObject({ state: 'unknown', notPinged });
    expect(pinger.snapshot()[0]?.since).toBeUndefined();
    expect([sent.length, listed.size]).toEqual([1, 0]);
    await timers.advanceAsync(600_000);
    expect(listed.size).toBe(0);
  });
});

test('a target to which our SIP server cannot send does not hide one that is alive', async () => {
  const { pinger, interval, names, peers, state } = startPinger();
  names.set('sip.test', ['192.0.2.11', '192.0.2.12']);
  peers.set('192.0.2.11', 'offline');
  pinger.update([gateway(1, { host: 'sip.test' })]);
  pinger.start();
  await interval();
  expect(state(1)).toBe('up');
  peers.set('192.0.2.12', 503);
  await interval();
  expect(state(1)).toBe('up');
  expect(pinger.snapshot()[0]?.notPinged).toBe('SIP server: not connected');
});
