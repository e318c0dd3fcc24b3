import { describe, expect, test } from 'bun:test';
import type { OutboundTransport } from '../../src/sip/next-hop.ts';
import { peerNames, readProxy, routeOf } from '../../src/sip/route.ts';
import { SipSyntaxError } from '../../src/sip/syntax.ts';

const UDP = { transport: 'udp', sips: false } as const;

describe('an outbound proxy setting', () => {
  test.each([
    ['proxy.example', 'proxy.example', undefined],
    [' proxy.example:5080 ', 'proxy.example', 5080],
    ['192.0.2.1:5080', '192.0.2.1', 5080],
    ['2001:db8::1', '2001:db8::1', undefined],
    ['[2001:db8::1]', '2001:db8::1', undefined],
    ['[2001:db8::1]:5080', '2001:db8::1', 5080],
    ['sip:proxy.example;lr', 'proxy.example', undefined],
    ['sip:[2001:db8::1]:5080;lr=on;ob', '2001:db8::1', 5080],
    ['SIP:user:secret@Proxy.example:5080', 'proxy.example', 5080],
  ])('%j has a host and a port', (text, host, port) =>
    expect(readProxy(text, UDP)).toEqual({ host, port, transport: 'udp' }),
  );

  test.each([
    ['proxy.example', 'udp', 'udp'],
    ['proxy.example', 'tls', 'tls'],
    ['proxy.example;transport=tcp', 'udp', 'tcp'],
    ['sip:proxy.example;transport=TCP', 'udp', 'tcp'],
    ['sip:proxy.example;lr;transport=tls', 'tcp', 'tls'],
    ['sip:proxy.example;transport=udp', 'tls', 'udp'],
    ['sips:proxy.example', 'udp', 'tls'],
    ['sips:proxy.example;transport=tcp', 'udp', 'tls'],
    ['sips:proxy.example;transport=tls', 'tls', 'tls'],
  ] satisfies [string, OutboundTransport, OutboundTransport][])(
    '%j of a %s gateway goes over %s',
    (text, own, transport) => expect(readProxy(text, { transport: own, sips: false }).transport).toBe(transport),
  );

  test.each([
    ['a b', 'malformed host'],
    ['proxy:x', 'no host'],
    ['proxy.example:0', 'port out of range'],
    ['proxy.example:70000', 'port out of range'],
    ['http://proxy', 'no host'],
    ['sip://proxy.example', 'malformed host'],
    ['[2001:db8::1', 'no host'],
    ['', 'no host'],
    ['sip:proxy.example;transport=ws', 'transport ws is not udp, tcp or tls'],
    ['sip:proxy.example;transport', 'transport without a value is not udp, tcp or tls'],
    ['sips:proxy.example;transport=udp', 'sips cannot go over udp'],
    ['sips:proxy.example;transport=ws', 'sips cannot go over ws'],
  ])('%j is an error that names it', (text, why) => {
    const read = () => readProxy(text, UDP);
    expect(read).toThrow(SipSyntaxError);
    expect(read).toThrow(`outbound proxy ${JSON.stringify(text)}: `);
    expect(read).toThrow(why);
  });

  test('keeps the TLS that the sips scheme of a gateway demands', () => {
    const sips = { transport: 'tls', sips: true } as const;
    expect(readProxy('sips:proxy.example', sips).transport).toBe('tls');
    expect(() => readProxy('sip:proxy.example;transport=tcp', sips)).toThrow('needs TLS');
  });

  test('has a password that no error shows', () => {
    expect(() => readProxy('sip:user:secret@proxy.example;transport=ws', UDP)).toThrow(
      /^outbound proxy "sip:proxy.example;transport=ws": /,
    );
  });

  test('replaces the host, port and transport of the gateway', () => {
    const gateway = { host: 'gw.example', port: 5070, ...UDP };
    expect(routeOf(gateway)).toEqual({ host: 'gw.example', port: 5070, transport: 'udp' });
    const outboundProxy = 'sip:proxy.example;transport=tcp';
    expect(routeOf({ ...gateway, outboundProxy })).toEqual({
      host: 'proxy.example',
      port: undefined,
      transport: 'tcp',
    });
  });
});

test.each([
  [
    ['proxy.example', 'gw.example'],
    ['proxy.example', 'gw.example'],
  ],
  [['GW.example.', 'gw.example'], ['gw.example']],
  [
    ['192.0.2.1', 'gw.example'],
    ['192.0.2.1', 'gw.example'],
  ],
  [['2001:db8::1', '[2001:db8::1]'], ['2001:db8::1']],
])('of the hosts %j a TLS peer may prove %j', (hosts, names) => expect(peerNames(...hosts).peerNames).toEqual(names));
