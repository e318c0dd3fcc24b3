import { describe, expect, test } from 'bun:test';
import { DrachtioServer } from '../../../src/adapters/drachtio/server.ts';
import { Unavailable } from '../../../src/ports/errors.ts';
import type { OutboundRequest } from '../../../src/ports/sip-server.ts';
import type { NextHop } from '../../../src/sip/next-hop.ts';
import { onCleanup } from '../../support/cleanup.ts';
import { within } from '../../support/deadline.ts';
import { SECRET, startTestDrachtio } from '../../support/drachtio/raw-app.ts';
import { RecordingLogger } from '../../support/logger.ts';
import { SipPeer } from '../../support/sip-peer.ts';

const DEADLINE_MS = 20_000;

async function connected() {
  const drachtio = await startTestDrachtio();
  onCleanup(() => drachtio.stop());
  const logger = new RecordingLogger();
  const address = { host: '127.0.0.1', port: drachtio.controlPort };
  const server = new DrachtioServer({ ...address, secret: SECRET, networks: [], logger });
  onCleanup(() => server.stop(0));
  await within(server.connect(), DEADLINE_MS, 'connecting');
  return { drachtio, server };
}

const options = (nextHop: NextHop, headers: Record<string, string> = {}): OutboundRequest => ({
  method: 'OPTIONS',
  uri: 'sip:peer.test',
  nextHop,
  headers,
});

describe('a drachtio server that goes away', () => {
  test.each(['udp', 'tcp'] as const)(
    'fails the open requests, and serves again when it is back: %s',
    async (transport) => {
      const { server, drachtio } = await connected();
      const gateway = await SipPeer.start(() => 'silent');
      const reconnected = new Promise<void>((resolve) => server.onConnected(resolve));
      const open = Array.from({ length: 100 }, () => server.request(options(gateway.nextHop(transport)), 30_000));
      const ends = Promise.allSettled(open);
      await gateway.next();
      const { controlPort } = drachtio;
      await drachtio.stop();
      const results = await within(ends, DEADLINE_MS, 'the end of all requests');
      expect(results.every((one) => one.status === 'rejected' && one.reason instanceof Unavailable)).toBe(true);
      expect(server.connected).toBe(false);
      await expect(server.request(options(gateway.nextHop(transport)), 30_000)).rejects.toThrow('not connected');

      const again = await startTestDrachtio({ controlPort });
      onCleanup(() => again.stop());
      await within(reconnected, DEADLINE_MS, 'reconnecting');
      expect(server.connected).toBe(true);
      expect(server.hostports).toBe(again.layer.hostports);
      gateway.script = () => ({ status: 200 });
      expect(await server.request(options(gateway.nextHop(transport)), DEADLINE_MS)).toMatchObject({ status: 200 });
    },
  );
});

describe('why a request is not sent', () => {
  const HERE = { address: '127.0.0.1', port: 5060, transport: 'udp' } as const;
  test.each([
    ['not an address', options({ ...HERE, address: 'peer.test' })],
    ['not an address', options({ ...HERE, address: '127.0.0.1.9' })],
    ['not an address', options({ ...HERE, port: 0 })],
    ['not an address', options({ ...HERE, port: 65_536 })],
    ['not a Request-URI', { ...options(HERE), uri: 'sip:a SIP/2.0\r\nX: y' }],
    ['line break in the value of X-A', options(HERE, { 'X-A': 'a\r\nVia: b' })],
    ['not a header name', options(HERE, { 'X-A: b\r\nX-B': 'c' })],
    ['more than drachtio takes', options(HERE, { 'X-A': 'ü'.repeat(6000) })],
    // These only drachtio knows:
    ['requested protocol/transport not available', options({ ...HERE, address: '::1', transport: 'tcp' })],
    ['Error creating leg', options(HERE, { From: '<<<bad' })],
  ])('%s', async (why, request) => {
    const { server } = await connected();
    await expect(server.request(request, DEADLINE_MS)).rejects.toThrow(why);
  });
});
