import { describe, expect, test } from 'bun:test';
import { network } from '../../src/config/variable.ts';
import { addressOn, completeHostports, privateSipAddress, publicAddresses } from '../../src/sip/hostports.ts';

describe('the private SIP address', () => {
  const networks = [network('10.0.0.0/8'), network('fc00::/7')];

  test.each([
    ['udp/203.0.113.1:5060,tcp/192.168.1.1:5060,tcp/10.1.1.1:5062', '10.1.1.1:5062', 'the TCP one in our networks'],
    ['tcp/203.0.113.1:5060,tcp/192.168.1.1:5061', '192.168.1.1:5061', 'else any private TCP one'],
    ['udp/10.0.0.1:5060,tcp/203.0.113.1:5060', '203.0.113.1:5060', 'else any TCP one'],
    ['udp/203.0.113.1:5060', '203.0.113.1:5060', 'else a UDP one'],
    ['tcp/[fd00::5]:5060', '[fd00::5]:5060', 'with brackets around IPv6'],
    ['wss/203.0.113.1:443', '203.0.113.1:443', 'else whatever there is'],
  ])('of %s is %s: %s', (hostports, expected) => {
    expect(privateSipAddress(hostports, networks)).toBe(expected);
  });
});

describe('hostports after a reconnect', () => {
  const full = { external: 'udp/1.1.1.1:5060,tcp/1.1.1.1:5060', local: 'udp/10.0.0.1:5060,tcp/10.0.0.1:5060' };

  test('a partial or empty list does not replace the complete one', () => {
    expect(completeHostports(full, { external: 'udp/1.1.1.1:5060', local: '' })).toBe(full);
    expect(completeHostports(full, { external: '', local: '' })).toBe(full);
  });

  test('a list with something new does', () => {
    const moved = { external: 'udp/2.2.2.2:5060', local: '' };
    expect(completeHostports(full, moved)).toBe(moved);
    expect(completeHostports(undefined, moved)).toBe(moved);
  });
});

describe('the public addresses of a list', () => {
  test.each([
    ['udp/203.0.113.1:5060,tcp/203.0.113.1:5060', [{ ip: '203.0.113.1', port: 5060 }], 'with their UDP port'],
    [
      'tls/203.0.113.1:5061,wss/203.0.113.1:8443,udp/203.0.113.1:5070,ws/203.0.113.1:8080',
      [{ ip: '203.0.113.1', port: 5070, tlsPort: 5061, wssPort: 8443 }],
      'with their TLS and WSS ports, in any order',
    ],
    [
      'udp/203.0.113.1:5060,udp/198.51.100.1:5062,udp/203.0.113.1:5066',
      [
        { ip: '203.0.113.1', port: 5060 },
        { ip: '198.51.100.1', port: 5062 },
      ],
      'each once, with the first port',
    ],
    ['tcp/203.0.113.1:5064', [{ ip: '203.0.113.1', port: 5064 }], 'with TCP where there is no UDP'],
    ['wss/203.0.113.1:443', [{ ip: '203.0.113.1', port: 5060, wssPort: 443 }], 'with SIP’s own port for want of both'],
    ['udp/[2001:DB8:0::1]:5060', [{ ip: '2001:db8::1', port: 5060 }], 'IPv6 in its normal form'],
    ['', [], 'of an empty list none'],
  ])('%s', (hostports, expected) => {
    expect(publicAddresses(hostports)).toEqual(expected);
  });

  test.each([
    ...['10.1.1.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '127.0.0.1', '169.254.1.1', '100.64.0.1'],
    ...['100.127.255.255', '0.0.0.0', '224.0.0.1', '255.255.255.255', '[::1]', '[::]', '[fd00::1]', '[fe80::1]'],
    ...['[ff02::1]', '[::ffff:10.1.1.1]'],
  ])('%s is not one', (address) => {
    expect(publicAddresses(`udp/${address}:5060`)).toEqual([]);
  });

  test.each(['172.15.0.1', '172.32.0.1', '100.63.255.255', '100.128.0.1', '11.0.0.1', '[2001:db8::1]'])(
    '%s is one',
    (address) => {
      expect(publicAddresses(`udp/${address}:5060`)).toHaveLength(1);
    },
  );
});

test('a peer knows us by our public address on its transport, else by any', () => {
  const hostports = 'udp/10.0.0.1:5060,udp/203.0.113.1:5060,tcp/10.0.0.1:5062,tcp/[fd00::1]:5062';
  expect(addressOn(hostports, 'udp')).toBe('203.0.113.1:5060');
  expect(addressOn(hostports, 'tcp')).toBe('10.0.0.1:5062');
  expect(addressOn('udp/[2001:db8::1]:5060', 'udp')).toBe('[2001:db8::1]:5060');
  expect(addressOn(hostports, 'tls')).toBeUndefined();
});
