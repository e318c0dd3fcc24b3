import { describe, expect, test } from 'bun:test';
import type { EdgeOptions } from '../../src/edge/index.ts';
import { HALF_OPEN_MS, MAX_REQUESTS_OVER_CONNECTIONS, MAX_REQUESTS_PER_CONNECTION } from '../../src/edge/limits.ts';
import { FairShare } from '../../src/edge/transports/fair-share.ts';
import { disposedAfterEach } from '../support/after-each.ts';
import { request } from '../support/sip-request.ts';
import { ManualTimers } from '../support/timers.ts';
import { openStream, STREAMS, type StreamPeer, type StreamProtocol } from '../support/wire.ts';
import { type Received, serverTls, TestEdge } from './support.ts';

const cleaner = disposedAfterEach();

async function start(proto: StreamProtocol = 'tcp', options: Partial<EdgeOptions> = {}): Promise<TestEdge> {
  const listen = [{ proto, host: '127.0.0.1', port: 0 }];
  return cleaner.adopt(await TestEdge.start({ listen, tls: serverTls(), ...options }), (edge) => edge.stop());
}

async function openPhone(edge: TestEdge, proto: StreamProtocol = 'tcp'): Promise<StreamPeer> {
  return cleaner.use(await openStream(proto, edge.port(proto)));
}

/** The requests that reach the handler before the one whose Via names `other.invalid`, and that one. */
async function untilOther(edge: TestEdge): Promise<{ before: Received[]; other: Received }> {
  const before: Received[] = [];
  for (;;) {
    const received = await edge.next();
    if (received.request.topVia.host === 'other.invalid') return { before, other: received };
    before.push(received);
  }
}

describe.each(STREAMS)('%s: one connection that sends requests faster than they are answered', (proto) => {
  const FLOOD = 4000;
  const options = (from = 'a.invalid') => request('OPTIONS', `${proto.toUpperCase()} ${from}`);

  test('is read no further, and holds up no other; all of its requests are answered in the end', async () => {
    const edge = await start(proto);
    const flood = await openPhone(edge, proto);
    for (let i = 0; i < FLOOD; i++) flood.send(options());
    const first = await edge.next();

    const phone = await openPhone(edge, proto);
    phone.send(options('other.invalid'));
    const { before, other } = await untilOther(edge);
    // What was read at once with the request that reached the bound is not given back.
    expect(before.length).toBeLessThan(FLOOD / 2);

    for (const received of [first, ...before, other]) received.answer(200);
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
    for (let left = FLOOD - 1 - before.length; left > 0; left--) await edge.answerNext();
    for (let i = 0; i < FLOOD; i++) expect(await flood.next()).toStartWith('SIP/2.0 200 ');
  });

  test('has no more in progress than the bound and what is parsed in one go, however much is read at once', async () => {
    const edge = await start(proto);
    const flood = await openPhone(edge, proto);
    flood.socket.write(Buffer.concat(Array.from({ length: FLOOD }, () => flood.encode(options()))));
    await edge.next();
    const phone = await openPhone(edge, proto);
    phone.send(options('other.invalid'));
    const { before } = await untilOther(edge);
    expect(1 + before.length).toBeLessThan(2 * MAX_REQUESTS_PER_CONNECTION);
  });

  test('may be in the middle of a message for longer than 10 s while it is not read', async () => {
    const timers = new ManualTimers();
    const edge = await start(proto, { timers });
    const flood = await openPhone(edge, proto);
    const bytes = Buffer.concat(Array.from({ length: FLOOD }, () => flood.encode(options())));
    flood.socket.write(bytes.subarray(0, -1));
    const waiting = [await edge.next()];
    while (waiting.length < MAX_REQUESTS_PER_CONNECTION / 2) waiting.push(await edge.next());
    const phone = await openPhone(edge, proto);
    phone.send(options('other.invalid'));
    const { before, other } = await untilOther(edge);
    timers.advance(HALF_OPEN_MS);
    for (const received of [...waiting, ...before, other]) received.answer(200);
    for (let left = FLOOD - 1 - waiting.length - before.length; left > 0; left--) await edge.answerNext();
    flood.socket.write(bytes.subarray(-1));
    await edge.answerNext();
    for (let i = 0; i < FLOOD; i++) expect(await flood.next()).toStartWith('SIP/2.0 200 ');
  });

  test('and ends meanwhile leaves the edge as it was', async () => {
    const edge = await start(proto);
    const flood = await openPhone(edge, proto);
    for (let i = 0; i < FLOOD; i++) flood.send(options());
    await edge.next();
    flood.socket.destroy();
    const phone = await openPhone(edge, proto);
    phone.send(options('other.invalid'));
    const { other } = await untilOther(edge);
    other.answer(200);
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
  });
});

describe('many connections that send requests faster than they are answered', () => {
  const CONNECTIONS = 100;
  const FLOOD = 200;

  test('have no more in progress together than half as much again as the bound', async () => {
    const edge = await start();
    const floods = await Promise.all(Array.from({ length: CONNECTIONS }, () => openPhone(edge)));
    for (const flood of floods)
      flood.send(Array.from({ length: FLOOD }, () => request('OPTIONS', 'TCP a.invalid')).join(''));
    for (let i = 0; i < CONNECTIONS; i++) await edge.next();
    const phone = await openPhone(edge);
    phone.send(request('OPTIONS', 'TCP other.invalid'));
    const { before } = await untilOther(edge);
    expect(CONNECTIONS + before.length).toBeLessThan(MAX_REQUESTS_OVER_CONNECTIONS * 1.5);
  });

  test('share evenly, and leave something for the next one', () => {
    const share = new FairShare();
    expect(share.each).toBe(MAX_REQUESTS_PER_CONNECTION);
    const held = new Array<number>(CONNECTIONS).fill(0);
    // Each in turn gives back what it holds and takes what it may: one that had more than the others does not keep it.
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
