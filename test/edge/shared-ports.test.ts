import { expect, test } from 'bun:test';
import { ListenError, tryListen } from '../../src/edge/index.ts';
import { request, responseTo } from '../support/sip-request.ts';
import { openPeer, type Protocol, UdpPeer, type WirePeer } from '../support/wire.ts';
import { edgesAndPeers, portOf, serverTls, type TestEdge } from './support.ts';

const PROTOCOLS = ['udp', 'tcp', 'tls', 'ws', 'wss'] as const;
const HOST = '127.0.0.1';
const PHONES = 64;
const DEADLINE_MS = 10_000;

const { start } = edgesAndPeers();

/** Two edges on one port of each protocol. */
async function startTwo(protocols: readonly Protocol[] = ['udp']) {
  const at = (portOfProtocol: (proto: Protocol) => number) => ({
    listen: protocols.map((proto) => ({ proto, host: HOST, port: portOfProtocol(proto) })),
    sharePorts: true,
    tls: serverTls(),
  });
  const one = await start(at(() => 0));
  return [one, await start(at((proto) => one.port(proto)))] as const;
}

/** Answers what reaches an edge, until the end of the test. Returns the Call-IDs. */
function answerAll(edge: TestEdge): string[] {
  const seen: string[] = [];
  const next = async (): Promise<void> => {
    const { request, answer } = await edge.received.next('a request', DEADLINE_MS);
    seen.push(request.callId);
    answer(200);
    return next();
  };
  next().catch(() => {});
  return seen;
}

function registerOf(proto: Protocol, phone: WirePeer): string {
  return request('REGISTER', `${proto.toUpperCase()} ${phone.address}:${phone.port}`);
}

test.each(PROTOCOLS)('phones on one %s port are shared by two edges', async (proto) => {
  const [one, other] = await startTwo([proto]);
  const seen = [answerAll(one), answerAll(other)];
  for (let i = 0; i < PHONES; i++) {
    using phone = await openPeer(proto, one.port(proto));
    phone.send(registerOf(proto, phone));
    expect(await phone.next()).toStartWith('SIP/2.0 200');
  }
  expect(seen.flat().length).toBe(PHONES);
  for (const own of seen) expect(own.length).toBeGreaterThan(0);
});

test('what one phone sends by UDP reaches one edge, so that a retransmission is one', async () => {
  const [one, other] = await startTwo();
  const seen = [answerAll(one), answerAll(other)];
  using phone = await UdpPeer.open(one.port('udp'));
  const text = registerOf('udp', phone);
  for (let i = 0; i < 10; i++) {
    phone.send(text);
    await phone.next();
  }
  expect(seen.flat()).toHaveLength(1);
});

test('the response to a request of ours reaches the edge that sent it', async () => {
  const edges = await startTwo();
  for (let i = 0; i < 16; i++) {
    using gateway = await UdpPeer.open();
    for (const { edge } of edges) {
      const nextHop = { address: HOST, port: gateway.port, transport: 'udp' } as const;
      const answered = edge.request(
        { method: 'OPTIONS', uri: 'sip:b@elsewhere.test', nextHop, headers: {} },
        DEADLINE_MS,
      );
      const text = await gateway.next();
      const port = Number(/^Via: [^\r]*:(\d+);/m.exec(text)?.[1]);
      expect(port).not.toBe(portOf(edge, 'udp'));
      gateway.send(responseTo(text, '200 OK'), port);
      expect(await answered).toMatchObject({ status: 200, local: false });
    }
  }
});

test('an address is announced once, and not the port of requests of ours', async () => {
  const [one] = await startTwo(['udp', 'tcp']);
  expect(one.edge.hostports).toBe(`udp/127.0.0.1:${one.port('udp')},tcp/127.0.0.1:${one.port('tcp')}`);
});

test.each(PROTOCOLS)('an edge that does not share its %s port has it alone', async (proto) => {
  const free = { proto, host: HOST, port: 0 };
  const sharing = await start({ listen: [free], sharePorts: true, tls: serverTls() });
  const taken = { ...free, port: sharing.port(proto) };
  await expect(start({ listen: [taken], tls: serverTls() })).rejects.toBeInstanceOf(ListenError);
  await expect(tryListen(taken)).rejects.toBeInstanceOf(ListenError);
  await tryListen(taken, true);
  const alone = await start({ listen: [free], tls: serverTls() });
  const owned = { ...free, port: alone.port(proto) };
  await expect(start({ listen: [owned], sharePorts: true, tls: serverTls() })).rejects.toBeInstanceOf(ListenError);
});
