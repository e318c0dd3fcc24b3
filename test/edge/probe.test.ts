import { expect, test } from 'bun:test';
import { isRefused } from '../../src/edge/transports/probe.ts';
import { UdpPeer } from '../support/wire.ts';

test.each(['127.0.0.1', '::1'])(
  'of %s a closed UDP port is refused, an open one that does not answer is not',
  async (host) => {
    using open = await UdpPeer.open(undefined, host);
    const closed = await UdpPeer.open(undefined, host);
    const { port } = closed;
    closed[Symbol.dispose]();
    expect(await isRefused(host, port)).toBe(true);
    expect(await isRefused(host, open.port)).toBe(false);
  },
);
