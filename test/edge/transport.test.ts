import { expect, test } from 'bun:test';
import { ListenError, plainAddress } from '../../src/edge/transports/transport.ts';

test.each([
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8::1', '2001:db8::1'],
  ['::ffff:0:1', '::ffff:0:1'],
])('the plain form of %s is %s', (address, plain) => expect(plainAddress(address)).toBe(plain));

test.each([
  ['EADDRINUSE', 'is in use'],
  ['EADDRNOTAVAIL', 'is not an address of this machine'],
  ['EACCES', 'is not permitted'],
  ['EMFILE', 'cannot be listened on (EMFILE)'],
])('an address that cannot be listened on is named with the reason: %s', (code, why) => {
  expect(new ListenError('tcp', '2001:db8::1', 5060, code).message).toBe(`tcp/[2001:db8::1]:5060 ${why}`);
});
