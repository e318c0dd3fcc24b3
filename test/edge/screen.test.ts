import { describe, expect, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { RecordingLogger } from '../support/logger.ts';
import { TestScreen } from '../support/screen.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { request } from '../support/sip-request.ts';
import { openSocket, openStream, UdpPeer } from '../support/wire.ts';
import { TestEdge } from './support.ts';

const INTRUDER = '127.0.0.66';
/** RFC 5389 6: a binding request without attributes, as phones behind a NAT send them (RFC 5626 3.5.2). */
const STUN_KEEP_ALIVE = Buffer.concat([Buffer.from('000100002112a442', 'hex'), Buffer.alloc(12, 7)]);

async function start() {
  const screen = new TestScreen(INTRUDER);
  const logger = new RecordingLogger();
  const edge = await TestEdge.start({ logger }, ['OPTIONS'], screen);
  return { screen, logger, edge, port: edge.port('tcp') };
}

test('each malformed request is reported with its source, unless that is banned; noise is not', async () => {
  const { screen, edge } = await start();
  const port = edge.port('udp');
  using intruder = await UdpPeer.open(port, '127.0.0.1', INTRUDER);
  using phone = await UdpPeer.open(port);
  const malformed = request('OPTIONS', `UDP ${INTRUDER}:${intruder.port}`).replace(/^CSeq: .*$/m, 'CSeq: x');
  const ask = async () => {
    phone.send(request('OPTIONS', `UDP 127.0.0.1:${phone.port}`));
    await edge.answerNext();
    await phone.next();
  };
  intruder.send(malformed);
  expect(await intruder.next()).toStartWith('SIP/2.0 400 ');
  intruder.send(STUN_KEEP_ALIVE);
  intruder.send('noise that is long enough');
  intruder.send('SIP/2.0 200 OK\r\nVia: x\r\n\r\n');
  await ask();
  expect(screen.malformedFrom).toEqual([INTRUDER]);
  screen.ban();
  intruder.send(malformed);
  await ask();
  expect(screen.malformedFrom).toHaveLength(1);
  expect(intruder.inbox.size).toBe(0);
  expect(edge.edge.counters).toMatchObject({ malformed: 4, banned: 1 });
});

describe('a banned source', () => {
  test('that is a carrier of ours is heard by its responses', async () => {
    const { screen, edge } = await start();
    const nextHop = (await SipPeer.start(undefined, INTRUDER)).nextHop();
    screen.ban();
    const { status } = await edge.edge.request(
      { method: 'OPTIONS', uri: 'sip:carrier.test', nextHop, headers: {} },
      5_000,
    );
    expect(status).toBe(200);
  });

  test('loses its connections at once, others do not', async () => {
    const { screen, edge, port } = await start();
    using intruder = await openStream('tcp', port, '127.0.0.1', INTRUDER);
    using phone = await openStream('tcp', port);
    await eventually('both', () => edge.edge.holding.connections === 2 || undefined);
    screen.ban();
    await intruder.closed;
    phone.send(request('OPTIONS', `TCP 127.0.0.1:${phone.port}`));
    await edge.answerNext();
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
    expect(edge.edge.holding.connections).toBe(1);
  });

  test('opens none; that is counted and not logged', async () => {
    const { screen, logger, edge, port } = await start();
    screen.ban();
    for (let i = 1; i <= 3; i++) {
      const socket = await openSocket('tcp', port, '127.0.0.1', INTRUDER);
      socket.on('error', () => {});
      await new Promise((resolve) => socket.on('close', resolve));
      expect(edge.edge.counters).toMatchObject({ banned: i, dropped: 0 });
    }
    expect(edge.edge.holding.connections).toBe(0);
    expect(logger.lines).toEqual([]);
  });

  test('gets no response to a request in progress, nor a new connection for it', async () => {
    const { screen, edge, port } = await start();
    using intruder = await openStream('tcp', port, '127.0.0.1', INTRUDER);
    intruder.send(request('OPTIONS', `TCP ${INTRUDER}:${intruder.port}`));
    const received = await edge.next();
    screen.ban();
    await intruder.closed;
    await eventually('no connection', () => edge.edge.holding.connections === 0 || undefined);
    received.answer(200);
    await new Promise((resolve) => setImmediate(resolve));
    expect(edge.edge.holding.connections).toBe(0);
  });

  test('that is a carrier keeps the connection that we have opened to it', async () => {
    const { screen, edge } = await start();
    const carrier = await SipPeer.start(undefined, INTRUDER);
    const ping = () =>
      edge.edge.request(
        { method: 'OPTIONS', uri: 'sip:carrier.test', nextHop: carrier.nextHop('tcp'), headers: {} },
        5000,
      );
    expect((await ping()).status).toBe(200);
    screen.ban();
    expect((await ping()).status).toBe(200);
    expect(new Set(carrier.requests.map(({ source }) => source.port)).size).toBe(1);
  });
});
