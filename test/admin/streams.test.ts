import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { streamOf } from '../../src/admin/client.ts';
import type { Answer } from '../../src/admin/client-connection.ts';
import { BrokenAnswerError, RefusedError, StoppedError, TimedOutError } from '../../src/admin/errors.ts';
import type { StreamPart } from '../../src/admin/protocol.ts';
import { claimAdminSocket } from '../../src/admin/server.ts';
import { RawAdminClient } from '../support/admin.ts';
import { AdminPeer } from '../support/admin-peer.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { eventually } from '../support/eventually.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers, settle } from '../support/timers.ts';

const DEADLINE_MS = 20_000;

/** A server that answers "stream" with `lines`, and anything else at once. */
async function start(lines: (signal: AbortSignal) => AsyncIterable<object>) {
  const path = join(temporaryDirectory('admin'), 'admin.sock');
  const logger = new RecordingLogger();
  const timers = new ManualTimers();
  const server = await claimAdminSocket(path, logger, timers);
  server.serve(async (request, signal): Promise<Answer> => (request === 'stream' ? lines(signal) : { request }));
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= server.stop();
    return stopped;
  };
  onCleanup(stop);
  return { path, logger, timers, stop };
}

/** Lines of which the test says when each comes. */
function paced() {
  const lines: object[] = [];
  let wake = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  async function* source(signal: AbortSignal) {
    signal.addEventListener('abort', () => wake.resolve());
    try {
      while (!signal.aborted) {
        asked.resolve();
        await wake.promise;
        wake = Promise.withResolvers();
        yield* lines.splice(0);
      }
    } finally {
      ended.resolve();
    }
  }
  const put = (line: object) => {
    lines.push(line);
    wake.resolve();
  };
  return { source, put, asked: asked.promise, ended: ended.promise };
}

describe('an answer of several lines', () => {
  test('comes before the answers to later requests', async () => {
    const { path } = await start(async function* () {
      for (const i of [1, 2, 3]) yield { i };
    });
    const client = await RawAdminClient.open(path);
    client.write('"before"\n"stream"\n"after"\n');
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push(await client.answer());
    expect(answers).toEqual([{ request: 'before' }, { i: 1 }, { i: 2 }, { i: 3 }, { request: 'after' }]);
  });

  test('is read no further while the client does not read', async () => {
    const filler = 'x'.repeat(1 << 16);
    let read = 0;
    const { path } = await start(async function* () {
      for (read = 0; read < 1000; read++) yield { filler };
    });
    const client = await RawAdminClient.open(path);
    const other = await RawAdminClient.open(path);
    client.socket.pause();
    client.write('"stream"\n');
    let before = -1;
    while (before !== read) {
      before = read;
      for (let i = 0; i < 20; i++) await other.ask({});
    }
    expect(read).toBeLessThan(500);
    client.socket.resume();
    for (let i = 0; i < 1000; i++) await client.answer();
    expect(read).toBe(1000);
  });

  test('shows every 2 s that the sidecar lives, while there is nothing to say', async () => {
    const { source, put, asked } = paced();
    const { path, timers } = await start(source);
    const client = await RawAdminClient.open(path);
    client.write('"stream"\n');
    await asked;
    for (let i = 0; i < 40; i++) {
      timers.advance(1999);
      await settle();
      expect(client.received).toBe(i * '{"success":true,"more":true}\n'.length);
      timers.advance(1);
      expect(await client.answer()).toEqual({ success: true, more: true });
    }
    put({ at: 'last' });
    expect(await client.answer()).toEqual({ at: 'last' });
  });

  test('ends when the client goes, and leaves no timer', async () => {
    const { source, asked, ended } = paced();
    const { path, timers, logger } = await start(source);
    const client = await RawAdminClient.open(path);
    client.write('"stream"\n');
    await asked;
    client.close();
    await eventually('the end of the stream', async () => {
      timers.advance(2000);
      return Promise.race([ended.then(() => true as const), settle().then(() => undefined)]);
    });
    await eventually('no timer is left', () => timers.pending === 0 || undefined);
    expect(logger.lines).toEqual([]);
  });

  test('ends when the client reads nothing for a minute', async () => {
    const filler = 'x'.repeat(1 << 20);
    const asked = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const { path, timers } = await start(async function* () {
      try {
        asked.resolve();
        for (let i = 0; i < 100; i++) yield { filler };
      } finally {
        ended.resolve();
      }
    });
    const client = await RawAdminClient.open(path);
    client.socket.pause();
    client.write('"stream"\n');
    await asked.promise;
    await settle();
    timers.advance(60_000);
    await within(ended.promise, DEADLINE_MS, 'end of the stream');
    client.close();
  });

  test('ends with an error when the sidecar stops', async () => {
    const { source, asked, ended } = paced();
    const { path, stop } = await start(source);
    const client = await RawAdminClient.open(path);
    client.write('"stream"\n');
    await asked;
    await stop();
    expect(await client.answer()).toEqual({ success: false, error: 'the sidecar stops', stopping: true });
    await within(ended, DEADLINE_MS, 'end of the stream');
    await within(client.closed, DEADLINE_MS, 'close');
  });

  test('that fails is logged, and the connection closed', async () => {
    // biome-ignore lint/correctness/useYield: it fails before its first line
    const { path, logger } = await start(async function* () {
      throw new Error('unforeseen');
    });
    const client = await RawAdminClient.open(path);
    client.write('"stream"\n');
    expect(await client.answer()).toEqual({ success: false, error: 'internal error, see the log' });
    expect(logger.lines).toMatchObject([{ level: 'error', message: 'admin request failed' }]);
    await within(client.closed, DEADLINE_MS, 'close');
  });
});

describe('a client of a stream', () => {
  const row = (aor: string) => ({
    aor,
    contact: `sip:${aor}`,
    transport: 'udp',
    source: '192.0.2.1:5060',
    userAgent: null,
    expiresAt: 2,
  });
  const part = (...aors: string[]) => ({ success: true, more: true, bindings: aors.map(row), now: 1 });
  const LAST = { success: true, more: false };
  const lines = (...objects: object[]) => objects.map((each) => `${JSON.stringify(each)}\n`).join('');

  async function list(reply: string, timeoutMs = 2000, seen: StreamPart<'reg-list'>[] = []) {
    const peer = await AdminPeer.start(() => reply);
    for await (const each of streamOf('reg-list', { realm: 'x' }, { socketPath: peer.path, timeoutMs }))
      seen.push(each);
    expect(peer.asked).toEqual([{ action: 'reg-list', realm: 'x' }]);
    return seen.flatMap(({ bindings }) => bindings.map(({ aor }) => aor));
  }

  test('gets every part, up to the last line', async () => {
    const keepAlive = { success: true, more: true };
    expect(await list(lines(part('a'), keepAlive, part(), part('b', 'c'), keepAlive, LAST))).toEqual(['a', 'b', 'c']);
    expect(await list(lines(LAST))).toEqual([]);
    expect(await list(lines({ ...part('a'), more: false }, part('b')))).toEqual(['a']);
  });

  test('fields of a newer version are no fault', async () => {
    expect(await list(lines({ ...part('a'), since: 5 }, LAST))).toEqual(['a']);
  });

  test.each([
    ['a refusal', lines(part('a'), { success: false, error: 'Redis: away' }), new RefusedError('Redis: away')],
    [
      'a sidecar that stops',
      lines({ success: false, error: 'the sidecar stops', stopping: true }),
      new StoppedError('the sidecar stops'),
    ],
    ['the end of the connection', lines(part('a')), BrokenAnswerError],
    ['another shape', lines({ success: true, more: true, bindings: [{}], now: 1 }, LAST), BrokenAnswerError],
    ['an answer of one line', lines({ success: true, bindings: [] }), BrokenAnswerError],
    ['what is no JSON', 'nonsense\n', BrokenAnswerError],
  ] as const)('fails on %s', async (_, reply, error) => {
    await expect(list(reply)).rejects.toThrow(error);
  });

  test('fails when the next line takes too long', async () => {
    const peer = await AdminPeer.start(() => part('a'));
    const seen: string[] = [];
    const read = async () => {
      for await (const { bindings } of streamOf('reg-list', {}, { socketPath: peer.path, timeoutMs: 30 }))
        seen.push(...bindings.map(({ aor }) => aor));
    };
    await expect(read()).rejects.toBeInstanceOf(TimedOutError);
    expect(seen).toEqual(['a']);
  });

  test('may stop at any time, and its connection is closed', async () => {
    const closed = Promise.withResolvers<void>();
    const path = `${(await AdminPeer.start()).path}.stop`;
    const server = Bun.listen({
      unix: path,
      socket: { data: (socket) => void socket.write(lines(part('a'), part('b'))), close: () => closed.resolve() },
    });
    for await (const _ of streamOf('reg-list', {}, { socketPath: path })) break;
    await within(closed.promise, DEADLINE_MS, 'close');
    server.stop(true);
  });

  test('ends without an error when its signal is aborted', async () => {
    const peer = await AdminPeer.start(() => part('a'));
    const interrupt = new AbortController();
    const seen: number[] = [];
    for await (const { now } of streamOf('reg-list', {}, { socketPath: peer.path, signal: interrupt.signal })) {
      seen.push(now);
      setImmediate(() => interrupt.abort());
    }
    expect(seen).toEqual([1]);
  });

  test('that is busy lets the sidecar wait', async () => {
    const bindings = Array.from({ length: 200 }, (_, i) => row(`user${i}@x`));
    let sent = 0;
    const { path } = await start(async function* () {
      for (sent = 0; sent < 3000; sent++) yield { success: true, more: true, bindings, now: 1 };
      yield LAST;
    });
    const other = await RawAdminClient.open(path);
    const parts = new StreamReader(path);
    await parts.next();
    let before = -1;
    while (before !== sent) {
      before = sent;
      for (let i = 0; i < 20; i++) await other.ask({});
    }
    expect(sent).toBeLessThan(1000);
    let count = 1;
    while (await parts.next()) count++;
    expect(count).toBe(3000);
  });
});

/** Reads `"stream"` of {@link start} through the line connection of our client. */
class StreamReader {
  readonly #lines: Promise<AsyncGenerator<string>>;

  constructor(path: string) {
    this.#lines = import('../../src/admin/line-connection.ts').then(async ({ LineConnection }) => {
      const connection = await LineConnection.open(path);
      onCleanup(() => connection.close(new BrokenAnswerError('end of the test')));
      return connection.stream('"stream"', DEADLINE_MS);
    });
  }

  /** Whether another part came. */
  async next(): Promise<boolean> {
    const { value } = await (await this.#lines).next();
    return JSON.parse(String(value)).more;
  }
}
