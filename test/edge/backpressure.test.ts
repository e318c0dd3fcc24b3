import { afterEach, describe, expect, test } from 'bun:test';
import type { Edge } from '../../src/edge/index.ts';
import { APP_SILENCE_MS, MAX_REQUESTS_OVER_CONNECTIONS, MAX_REQUESTS_PER_CONNECTION } from '../../src/edge/limits.ts';
import { FairShare } from '../../src/edge/transports/fair-share.ts';
import { openStream, STREAMS, type StreamPeer, type StreamProtocol, serverTls } from './stream-peers.ts';
import { ManualClock, portOf, RawApp, request, startTestEdge, transactionOf, UdpPeer } from './support.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(proto: StreamProtocol = 'tcp'): Promise<Edge> {
  const listen = (['udp', proto] as const).map((proto) => ({ proto, host: '127.0.0.1', port: 0 }));
  const edge = await startTestEdge({ listen, tls: serverTls() });
  closing.push(() => edge.stop());
  return edge;
}

async function appOf(edge: Edge): Promise<RawApp> {
  const app = await RawApp.ready(edge, 'options');
  closing.push(() => app.socket.destroy());
  return app;
}

async function phoneOf(edge: Edge, proto: StreamProtocol = 'tcp'): Promise<StreamPeer> {
  const phone = await openStream(proto, portOf(edge, proto));
  closing.push(() => phone.socket.destroy());
  return phone;
}

describe.each(STREAMS)('%s: one connection that asks faster than it is answered', (proto) => {
  const FLOOD = 4000;
  const ask = (from = 'a.invalid') => request('OPTIONS', `${proto.toUpperCase()} ${from}`);

  test('is read no further, and holds up no other; all it asked is answered in the end', async () => {
    const edge = await start(proto);
    const app = await appOf(edge);
    const flood = await phoneOf(edge, proto);
    for (let i = 0; i < FLOOD; i++) flood.send(ask());
    const first = await app.next();

    const other = await phoneOf(edge, proto);
    other.send(ask('other.invalid'));
    const frames = [first];
    while (!frames.at(-1)?.includes('other.invalid')) frames.push(await app.next());
    // What was read at once with the request that reached the bound is not given back.
    expect(frames.length).toBeLessThan(FLOOD / 2);

    const answer = (frame: string) =>
      app.send(`${crypto.randomUUID()}|sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
    for (const frame of frames) answer(frame);
    expect(await other.next()).toStartWith('SIP/2.0 200 ');
    for (let left = FLOOD + 1 - frames.length; left > 0; ) {
      const frame = await app.next();
      if (!frame.includes('OPTIONS ') || frame.includes('|response|')) continue;
      answer(frame);
      left--;
    }
    for (let i = 0; i < FLOOD; i++) expect(await flood.next()).toStartWith('SIP/2.0 200 ');
  });

  test('has no more under way than the bound and what is looked at in one go, however much is read at once', async () => {
    const edge = await start(proto);
    const app = await appOf(edge);
    const flood = await phoneOf(edge, proto);
    flood.socket.write(Buffer.concat(Array.from({ length: FLOOD }, () => flood.encode(ask()))));
    await app.next();
    const other = await phoneOf(edge, proto);
    other.send(ask('other.invalid'));
    let before = 1;
    while (!(await app.next()).includes('other.invalid')) before++;
    expect(before).toBeLessThan(2 * MAX_REQUESTS_PER_CONNECTION);
  });

  test('that ends meanwhile leaves the edge as it was', async () => {
    const edge = await start(proto);
    const app = await appOf(edge);
    const flood = await phoneOf(edge, proto);
    for (let i = 0; i < FLOOD; i++) flood.send(ask());
    await app.next();
    flood.socket.destroy();
    const other = await phoneOf(edge, proto);
    other.send(ask('other.invalid'));
    let frame = await app.next();
    while (!frame.includes('other.invalid')) frame = await app.next();
    app.send(`${crypto.randomUUID()}|sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
    expect(await other.next()).toStartWith('SIP/2.0 200 ');
  });
});

describe('many connections that ask faster than they are answered', () => {
  const CONNECTIONS = 100;
  const FLOOD = 200;

  test('have no more under way together than half as much again as the bound', async () => {
    const edge = await start();
    const app = await appOf(edge);
    const floods = await Promise.all(Array.from({ length: CONNECTIONS }, () => phoneOf(edge)));
    for (const flood of floods)
      flood.send(Array.from({ length: FLOOD }, () => request('OPTIONS', 'TCP a.invalid')).join(''));
    for (let i = 0; i < CONNECTIONS; i++) await app.next();
    const other = await phoneOf(edge);
    other.send(request('OPTIONS', 'TCP other.invalid'));
    let before = CONNECTIONS;
    while (!(await app.next()).includes('other.invalid')) before++;
    expect(before).toBeLessThan(MAX_REQUESTS_OVER_CONNECTIONS * 1.5);
  });

  test('share evenly, and leave something for whoever comes next', () => {
    const share = new FairShare();
    expect(share.each).toBe(MAX_REQUESTS_PER_CONNECTION);
    const held = new Array<number>(CONNECTIONS).fill(0);
    // Each takes what it may have, and gives it back in turn: whoever had more than the others does not keep it.
    for (let round = 0; round < 100; round++)
      for (const [i, n] of held.entries()) {
        for (let k = 0; k < n; k++) share.release();
        const each = share.each;
        for (let k = 0; k < each; k++) share.hold();
        held[i] = each;
      }
    expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(2);
    expect(held.reduce((sum, n) => sum + n)).toBeLessThan(MAX_REQUESTS_OVER_CONNECTIONS);
    for (let k = 0; k < MAX_REQUESTS_OVER_CONNECTIONS; k++) share.hold();
    expect(share.each).toBe(1);
  });
});

describe('an app with too much before it', () => {
  const BODY = 'x'.repeat(20_000);
  const BURST = 20;

  /** Sends datagrams until one of them is answered. */
  async function fill(edge: Edge): Promise<string> {
    const phone = await UdpPeer.open();
    closing.push(() => phone[Symbol.dispose]());
    const port = portOf(edge, 'udp');
    for (let sent = 0; phone.inbox.size === 0 && sent < 5000; sent += BURST) {
      for (let i = 0; i < BURST; i++) phone.send(request('OPTIONS', 'UDP a.invalid', { body: BODY }), port);
      // The edge runs in this process: it has its turn here.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return phone.next();
  }

  test('gets no more; who asks is answered 503 at once', async () => {
    const edge = await start();
    const app = await appOf(edge);
    app.socket.pause();
    expect(await fill(edge)).toStartWith('SIP/2.0 503 ');
    const phone = await phoneOf(edge);
    phone.send(request('OPTIONS', 'TCP other.invalid'));
    expect(await phone.next()).toStartWith('SIP/2.0 503 ');
    // It goes on where it was.
    app.socket.resume();
    expect(await app.next()).toContain('OPTIONS ');
    expect(app.socket.destroyed).toBe(false);
  });

  test('and that says nothing for 5 s is disconnected; what was asked is answered 503', async () => {
    const clock = new ManualClock();
    const edge = await startTestEdge({ clock });
    closing.push(() => edge.stop());
    const app = await appOf(edge);
    // Nobody had asked it anything for a while.
    clock.advance(60_000);
    app.socket.pause();
    await fill(edge);
    const ask = async () => {
      const phone = await phoneOf(edge);
      phone.send(request('OPTIONS', 'TCP other.invalid'));
      return phone.next();
    };
    clock.advance(APP_SILENCE_MS);
    expect(await ask()).toStartWith('SIP/2.0 503 ');
    expect(edge.holding.serverTransactions).toBeGreaterThan(100);
    clock.advance(1);
    expect(await ask()).toStartWith('SIP/2.0 503 ');
    app.socket.resume();
    await app.closed;
    clock.advance(33_000);
    expect(edge.holding.serverTransactions).toBe(0);
  });

  test('does not keep the edge from stopping', async () => {
    const edge = await start();
    const app = await appOf(edge);
    app.socket.pause();
    await fill(edge);
    await edge.stop();
    app.socket.resume();
    await app.closed;
  });

  test('leaves the work to another', async () => {
    const edge = await start();
    const app = await appOf(edge);
    app.socket.pause();
    await fill(edge);
    const another = await appOf(edge);
    for (let i = 0; i < 3; i++) {
      const phone = await phoneOf(edge);
      phone.send(request('OPTIONS', 'TCP other.invalid'));
      await another.ask(`sip|${transactionOf(await another.next())}|\r\nSIP/2.0 200 OK\r\n\r\n`);
      expect(await phone.next()).toStartWith('SIP/2.0 200 ');
    }
  });
});
