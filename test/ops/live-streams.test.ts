import { afterEach, describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { connect } from 'node:net';
import { EventBus } from '../../src/events/bus.ts';
import { systemTimers } from '../../src/lib/timers.ts';
import { LiveStreams } from '../../src/ops/live-streams.ts';
import { RecentFigures } from '../../src/ops/recent-figures.ts';
import type { Peer } from '../../src/ops/route.ts';
import { OpsServer } from '../../src/ops/server.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers, settle } from '../support/timers.ts';

const PATH = '/api/events';

interface Message {
  readonly event: string;
  readonly data: unknown;
}

function start(timers = new ManualTimers()) {
  const bus = new EventBus(timers);
  const figures = new RecentFigures(timers);
  const streams = new LiveStreams(bus, figures, timers);
  const timeouts: number[] = [];
  const peer: Peer = { address: '192.0.2.1', idleTimeout: (seconds) => timeouts.push(seconds) };
  const open = (method = 'GET') => {
    const gone = new AbortController();
    const response = streams.handle(new Request(`http://localhost${PATH}`, { method, signal: gone.signal }), peer);
    return { response, gone, reader: response.body?.getReader() };
  };
  const drain = (server: string) => bus.emit({ type: 'drained', server });
  return { timers, bus, figures, streams, timeouts, open, drain };
}

interface Reader {
  read(): Promise<{ readonly value?: Uint8Array | undefined }>;
}

/** The messages of the next chunk; undefined at the end. */
async function next(reader: Reader | undefined): Promise<Message[] | undefined> {
  const chunk = await reader?.read();
  if (!chunk?.value) return undefined;
  const text = new TextDecoder().decode(chunk.value);
  expect(text).toEndWith('\n\n');
  return text
    .slice(0, -2)
    .split('\n\n')
    .map((message) => {
      const [, event = '', data = ''] = /^event: (\w+)\ndata: ([^\n]*)$/.exec(message) ?? [];
      return { event, data: JSON.parse(data) };
    });
}

const events = (dropped: number, ...servers: string[]) => ({
  event: 'events',
  data: { dropped, events: servers.map((server) => expect.objectContaining({ type: 'drained', server })) },
});

describe('a stream', () => {
  test('has earlier events, then each as it happens, and a second of figures when it is over', async () => {
    const { timers, open, drain } = start();
    drain('10.0.0.1');
    const { response, reader } = open();
    expect([response.status, response.headers.get('Content-Type')]).toEqual([200, 'text/event-stream']);
    expect(await next(reader)).toEqual([events(0, '10.0.0.1')]);
    const second = next(reader);
    await settle();
    drain('10.0.0.2');
    drain('10.0.0.3');
    await timers.advanceAsync(250);
    expect(await second).toEqual([events(0, '10.0.0.2', '10.0.0.3')]);
    const third = next(reader);
    await timers.advanceAsync(1000);
    expect(await third).toEqual([{ event: 'figures', data: [expect.objectContaining({ granted: 0 })] }]);
  });

  test('keeps a line break in a text within its message', async () => {
    const { open, drain } = start();
    drain('10.0.0.1\n\nevent: events\ndata: {}');
    expect(await next(open().reader)).toEqual([events(0, '10.0.0.1\n\nevent: events\ndata: {}')]);
  });

  test('begins with a hundred events at most', async () => {
    const { open, drain } = start();
    for (let i = 0; i < 300; i++) drain(String(i));
    const [message] = (await next(open().reader)) ?? [];
    expect(message?.data).toMatchObject({ events: { length: 100 } });
  });

  test('that is read slowly loses the oldest events, and counts them', async () => {
    const { timers, open, drain } = start();
    drain('first');
    const { reader } = open();
    await next(reader);
    await settle();
    for (let i = 0; i < 700; i++) drain(String(i));
    const late = next(reader);
    await timers.advanceAsync(250);
    const [message] = (await late) ?? [];
    expect(message?.data).toMatchObject({ dropped: 200, events: { length: 500 } });
  });

  test('is never closed for its silence, and is when a reader takes nothing for 20 s', async () => {
    const { timers, timeouts, open, drain } = start();
    drain('10.0.0.1');
    const { reader } = open();
    await next(reader);
    expect(timeouts).toEqual([0]);
    // More than the stream collects by itself.
    const flood = () => {
      for (let i = 0; i < 500; i++) drain('x'.repeat(1000));
    };
    for (let i = 0; i < 4; i++) {
      flood();
      await timers.advanceAsync(250);
    }
    await timers.advanceAsync(18_000);
    expect(timeouts).toEqual([0]);
    await timers.advanceAsync(2_000);
    expect(timeouts).toEqual([0, 1]);
  });
});

describe('streams', () => {
  test('are 16 at most, and one that has ended makes room', async () => {
    const { open } = start();
    const all = Array.from({ length: 16 }, () => open());
    expect(open().response.status).toBe(503);
    // One that was never read, and one that was.
    all[0]?.gone.abort();
    expect(open().response.status).toBe(200);
    expect(open().response.status).toBe(503);
    await all[1]?.reader?.cancel();
    all[1]?.gone.abort();
    expect(open().response.status).toBe(200);
    expect(open().response.status).toBe(503);
  });

  test('HEAD opens none', () => {
    const { open } = start();
    for (let i = 0; i < 20; i++) expect(open('HEAD').response.status).toBe(200);
    expect(open().response.status).toBe(200);
  });

  test('end at a stop, after the events that wait', async () => {
    const { streams, open, drain } = start();
    drain('10.0.0.1');
    const { reader } = open();
    await next(reader);
    await settle();
    drain('10.0.0.2');
    streams.stop();
    expect(await next(reader)).toEqual([events(0, '10.0.0.2')]);
    expect(await next(reader)).toBeUndefined();
  });
});

describe('over a connection', () => {
  const open: OpsServer[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.stop();
  });

  test('a client that goes makes room for another, and a stop ends the others', async () => {
    const { streams, bus } = startOnSystemTimers();
    const routes = [{ method: 'GET' as const, path: PATH, handle: streams.handle.bind(streams) }];
    const server = new OpsServer({ host: '127.0.0.1', port: 0 }, routes, new RecordingLogger());
    open.push(server);
    bus.emit({ type: 'drained', server: '10.0.0.1' });
    const sockets = await Promise.all(Array.from({ length: 16 }, () => openStream(server.port)));
    const status = async () => {
      const socket = await openStream(server.port);
      const [head = ''] = socket.received;
      if (head.startsWith('HTTP/1.1 503')) socket.destroy();
      return head.slice(9, 12);
    };
    expect(await status()).toBe('503');
    const gone = sockets[0];
    gone?.destroy();
    let answer = await status();
    for (let i = 0; i < 200 && answer === '503'; i++) {
      await Bun.sleep(10);
      answer = await status();
    }
    expect(answer).toBe('200');
    streams.stop();
    await Promise.all(sockets.slice(1).map((socket) => socket.ended));
  });

  function startOnSystemTimers() {
    const bus = new EventBus(systemTimers);
    return { bus, streams: new LiveStreams(bus, new RecentFigures(systemTimers), systemTimers) };
  }

  /** Resolves with the first bytes of the answer. */
  async function openStream(port: number) {
    const socket = connect(port, '127.0.0.1');
    const received: string[] = [];
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      received.push(text);
      if (received.join('').endsWith('\r\n0\r\n\r\n')) socket.end();
    });
    socket.on('error', () => {});
    const ended = once(socket, 'close');
    socket.write(`GET ${PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    await once(socket, 'data');
    return { received, ended, destroy: () => socket.destroy() };
  }
});
