import { expect, test } from 'bun:test';
import { bracketed, ipOf, joinHostPort, normalIp, unbracketed } from '../../src/sip/ip.ts';

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['::FFFF:0a00:0001', '10.0.0.1'],
  ['::1', '::1'],
  ['10.1', undefined],
  ['010.0.0.1', undefined],
  ['fe80::1%eth0', undefined],
  ['example.com', undefined],
  ['', undefined],
])('the normal form of %p is %p', (text, normal) => {
  expect(normalIp(text)).toBe(normal);
});

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['10.0.0.1:5060', '10.0.0.1'],
  ['::1', '::1'],
  ['[::1]', '::1'],
  ['[2001:DB8::1]:5060', '2001:db8::1'],
  // Without brackets its last part is no port.
  ['2001:db8::1:5060', '2001:db8::1:5060'],
  ['10.0.0.1:99999', undefined],
  ['10.0.0.1:', undefined],
  ['10.0.0.1:5060:1', undefined],
  ['[10.0.0.1]:5060', undefined],
  ['[::1', undefined],
  ['fs1.example.com', undefined],
  [' 10.0.0.1', undefined],
  ['10.0.0.256', undefined],
])('%p names the address %p', (text, ip) => {
  expect(ipOf(text)).toBe(ip);
});

test('an address and a port are joined so that they can be told apart again', () => {
  expect(joinHostPort('10.0.0.1', 5060)).toBe('10.0.0.1:5060');
  expect(joinHostPort('2001:db8::1', 5060)).toBe('[2001:db8::1]:5060');
});

test.each([
  ['::1', '[::1]'],
  ['10.0.0.1', '10.0.0.1'],
  ['example.com', 'example.com'],
])('the host %p is written %p in a URI, and read back', (host, written) => {
  expect(bracketed(host)).toBe(written);
  expect(unbracketed(written)).toBe(host);
});
