import { expect, test } from 'bun:test';
import { ListenError, plainAddress } from '../../src/edge/transports/transport.ts';
import { currentUser } from '../../src/lib/user.ts';

test.each([
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8::1', '2001:db8::1'],
  ['::ffff:0:1', '::ffff:0:1'],
])('the plain form of %s is %s', (address, plain) => expect(plainAddress(address)).toBe(plain));

const USER = currentUser();

test.each([
  ['tcp', 5060, 'EADDRINUSE', "is in use; find by whom with ss -ltnp 'sport = :5060', or name another with --sip"],
  ['udp', 5060, 'EADDRINUSE', "is in use; find by whom with ss -lunp 'sport = :5060', or name another with --sip"],
  ['tcp', 5060, 'EADDRNOTAVAIL', 'is not an address of this machine; ip address lists those that are'],
  ['tcp', 5060, 'EACCES', `is not permitted to user ${USER}`],
  [
    'udp',
    1023,
    'EACCES',
    `is not permitted: ports below 1024 need CAP_NET_BIND_SERVICE, which user ${USER} lacks; type setcap cap_net_bind_service=+ep ${process.execPath}, as root`,
  ],
  ['tcp', 5060, 'EMFILE', 'cannot be listened on (EMFILE)'],
])(
  'an address that cannot be listened on is named with reason and remedy: %s port %d, %s',
  (protocol, port, code, why) => {
    expect(new ListenError(protocol, '2001:db8::1', port, code).message).toBe(
      `${protocol}/[2001:db8::1]:${port} ${why}`,
    );
  },
);
