import { describe, expect, test } from 'bun:test';
import type { Gateway } from '../../src/ports/carriers.ts';
import type { NextHop } from '../../src/sip/next-hop.ts';
import { gateway, startPinger } from './support.ts';

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
      headers: {
        From: '<sip:203.0.113.9:5060>',
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
    expect(pinger.snapshot()[1]).toMatchObject({ lastError: 'DNS: no answer' });
  });
});
