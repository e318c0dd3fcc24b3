import { describe, expect, test } from 'bun:test';
import type { Socket } from 'node:net';
import type { Sink } from '../../../src/adapters/statsd/sink.ts';
import { TcpSink } from '../../../src/adapters/statsd/tcp-sink.ts';
import { UdpSink } from '../../../src/adapters/statsd/udp-sink.ts';
import { eventually } from '../../support/eventually.ts';
import { Inbox } from '../../support/inbox.ts';
import { RecordingLogger } from '../../support/logger.ts';
import { freePort } from '../../support/net.ts';
import { ManualTimers } from '../../support/timers.ts';
import { listen, portOf, tcpServer, udpServer } from './support.ts';

const KINDS = [
  ['TCP', TcpSink, tcpServer],
  ['UDP', UdpSink, udpServer],
] as const;

const A_SECOND = 1_000;
const LONG = 10_000;

function open(Kind: typeof TcpSink | typeof UdpSink, port: number, host = '127.0.0.1') {
  const timers = new ManualTimers();
  const logger = new RecordingLogger();
  const sink: Sink = new Kind({ host, port, timers, logger });
  const messages = () => logger.lines.map(({ level, message }) => `${level}: ${message}`);
  const logged = (count: number) =>
    eventually(`${count} log lines`, () => (messages().length >= count ? true : undefined), { describe: messages });
  return { timers, logger, sink, messages, logged };
}

const DOWN = 'warn: statsd does not answer';
const BACK = 'info: statsd answers again';
const LINE = Buffer.from('a:1|c\n');

describe.each(KINDS)('a statsd server over %s', (_, Kind, serve) => {
  test('that is away costs one line in the log, and one when it is back', async () => {
    const port = await freePort();
    const { timers, sink, messages, logged } = open(Kind, port);
    /** Until it is refused: by UDP the refusal of one datagram comes with the next. */
    const refused = async (lines: number) => {
      const sending = setInterval(() => sink.send(LINE), 5);
      await logged(lines).finally(() => clearInterval(sending));
    };
    await refused(1);
    for (let i = 0; i < 5; i++) {
      sink.send(LINE);
      await timers.advanceAsync(A_SECOND);
      await Bun.sleep(5);
    }
    expect(messages()).toEqual([DOWN]);

    const server = await serve(port);
    const sending = setInterval(() => {
      timers.advance(A_SECOND);
      sink.send(LINE);
    }, 5);
    expect((await server.received.next('a line')).trim()).toBe('a:1|c');
    await logged(2);
    clearInterval(sending);
    expect(messages()).toEqual([DOWN, BACK]);

    server.close();
    await refused(3);
    expect(messages()).toEqual([DOWN, BACK, DOWN]);
    await sink.stop();
    expect(timers.pending).toBe(0);
  });

  test('whose name has no address is looked for again', async () => {
    const { timers, sink, messages, logged, logger } = open(Kind, 8125, 'statsd.invalid');
    sink.send(LINE);
    await logged(1);
    for (let i = 0; i < 3; i++) {
      timers.advance(LONG);
      await Bun.sleep(20);
    }
    expect(messages()).toEqual([DOWN]);
    expect(logger.lines[0]?.fields).toMatchObject({ dependency: 'statsd', address: 'statsd.invalid:8125' });
    await sink.stop();
  });

  test('is not waited for at the end', async () => {
    const { timers, sink } = open(Kind, await freePort());
    sink.send(LINE);
    await sink.stop();
    sink.send(LINE);
    expect(timers.pending).toBe(0);
  });
});

describe('a statsd server over TCP', () => {
  test('that accepts and closes each connection is one line', async () => {
    let accepted = 0;
    const { server } = await listen(0, (socket) => {
      accepted++;
      socket.end();
    });
    const { timers, sink, messages } = open(TcpSink, portOf(server));
    await eventually('five connections', () => {
      sink.send(LINE);
      timers.advance(A_SECOND);
      return accepted >= 5 ? true : undefined;
    });
    expect(messages()).toEqual([DOWN]);
    await sink.stop();
  });

  test('that does not read is left after a while; what waits for it is bounded', async () => {
    const connections = new Inbox<Socket>();
    const { server } = await listen(0, (socket) => {
      socket.pause();
      connections.put(socket);
    });
    const { timers, sink, logger, logged } = open(TcpSink, portOf(server));
    const first = await connections.next('a connection');
    const line = Buffer.from(`${'a'.repeat(8_191)}\n`);
    for (let i = 0; i < 4_000; i++) {
      sink.send(line);
      if (i % 100 === 0) await new Promise(setImmediate);
    }
    timers.advance(LONG);
    await logged(1);
    expect(logger.lines).toMatchObject([{ level: 'warn', fields: { why: 'it does not read' } }]);
    // The kernel's buffers hold some megabytes, and we a quarter of one: of 32 MB most were dropped.
    let held = 0;
    first.on('data', (chunk) => {
      held += chunk.length;
    });
    first.resume();
    timers.advance(A_SECOND);
    await connections.next('the next connection');
    await eventually('what was sent', () => (first.destroyed || first.readableEnded ? true : undefined));
    expect(held).toBeLessThan(16_000_000);
    await sink.stop();
  });

  test('that does not read does not delay the end', async () => {
    const { server } = await listen(0, (socket) => socket.pause());
    const { timers, sink } = open(TcpSink, portOf(server));
    const line = Buffer.from(`${'a'.repeat(8_191)}\n`);
    for (let i = 0; i < 4_000; i++) {
      sink.send(line);
      if (i % 100 === 0) await new Promise(setImmediate);
    }
    const stopped = sink.stop();
    timers.advance(A_SECOND);
    await stopped;
    expect(timers.pending).toBe(0);
  });

  test('gets what was measured last before the end', async () => {
    const server = await tcpServer();
    const { sink } = open(TcpSink, server.port);
    sink.send(LINE);
    await sink.stop();
    expect(await server.received.next('the last line')).toBe('a:1|c');
  });
});
