import { describe, expect, test } from 'bun:test';
import { network } from '../../src/config/variable.ts';
import { completeHostports, privateSipAddress } from '../../src/sip/hostports.ts';

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
