import { expect, test } from 'bun:test';
import { canonicalIp } from '../../src/sip/ip.ts';

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['[2001:db8::1]', '2001:db8::1'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['fe80::1%eth0', 'fe80::1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:c000:0201', '192.0.2.1'],
  ['::', '::'],
  ['sip.example.com', 'sip.example.com'],
  ['[not an address]', '[not an address]'],
])('%s in its normal form is %s', (text, expected) => {
  expect(canonicalIp(text)).toBe(expected);
});
