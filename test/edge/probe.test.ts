import { expect, test } from 'bun:test';
import { isRefused } from '../../src/edge/transports/probe.ts';
import { UdpPeer } from '../support/wire.ts';

test('a closed UDP port is refused, an open one that does not answer is not', async () => {
  using open = await UdpPeer.open();
  const closed = await UdpPeer.open();
  const { port } = closed;
  closed[Symbol.dispose]();
  expect(await isRefused('127.0.0.1', port)).toBe(true);
  expect(await isRefused('127.0.0.1', open.port)).toBe(false);
});
