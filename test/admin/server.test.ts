import { describe, expect, test } from 'bun:test';
import { existsSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Operator } from '../../src/admin/audit.ts';
import { requestOnce } from '../../src/admin/client.ts';
import type { Perform } from '../../src/admin/client-connection.ts';
import { RefusedError } from '../../src/admin/errors.ts';
import { MAX_LINE_BYTES } from '../../src/admin/protocol.ts';
import { claimAdminSocket } from '../../src/admin/server.ts';
import { RawAdminClient } from '../support/admin.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { eventually } from '../support/eventually.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers } from '../support/timers.ts';

const echo = async (request: unknown) => ({ success: true, request });
const newPath = () => join(temporaryDirectory('admin'), 'admin.sock');

async function start(perform: Perform = echo, path = newPath()) {
  const logger = new RecordingLogger();
  const timers = new ManualTimers();
  const server = await claimAdminSocket(path, logger, timers);
  server.serve(perform);
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= server.stop();
    return stopped;
  };
  onCleanup(stop);
  return { path, logger, timers, stop };
}

async function connected(path: string, count: number): Promise<RawAdminClient[]> {
  const clients: RawAdminClient[] = [];
  for (let i = 0; i < count; i++) {
    const client = await RawAdminClient.open(path);
    await client.ask({});
    clients.push(client);
  }
  return clients;
}

describe('the admin socket', () => {
  test('can be opened by its owner only, and is removed on stop', async () => {
    const umask = process.umask();
    const { path, stop } = await start();
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
    expect(process.umask()).toBe(umask);
    await stop();
    expect(existsSync(path)).toBe(false);
  });

  test('answers in order, however lines are split into chunks', async () => {
    const gate = Promise.withResolvers<void>();
    const { path } = await start(async (request) => {
      if (request === 1) await gate.promise;
      return { request };
    });
    const client = await RawAdminClient.open(path);
    client.write('1\n2\n');
    client.write('"thr');
    gate.resolve();
    client.write('ee"\n\n  \n4\n');
    const answers = [await client.answer(), await client.answer(), await client.answer(), await client.answer()];
    expect(answers.map((a) => a.request)).toEqual([1, 2, 'three', 4]);
  });

  test('says which user and process asks, by what the kernel knows', async () => {
    const operators: Operator[] = [];
    const { path } = await start(async (_request, _signal, operator) => {
      operators.push(operator);
      return {};
    });
    const client = await RawAdminClient.open(path);
    await client.ask({});
    expect(operators).toEqual([{ uid: process.geteuid?.() ?? -1, pid: process.pid }]);
  });

  test('serves several clients at once; an incomplete line delays no other client', async () => {
    const { path } = await start();
    const stalled = await RawAdminClient.open(path);
    stalled.write('{"action":');
    const others = await Promise.all([1, 2, 3].map(() => RawAdminClient.open(path)));
    const answers = await Promise.all(others.map((client, i) => client.ask({ i })));
    expect(answers.map((a) => a.request)).toEqual([{ i: 0 }, { i: 1 }, { i: 2 }]);
    stalled.write('"late"}\n');
    expect((await stalled.answer()).request).toEqual({ action: 'late' });
  });

  test.each([
    ['invalid JSON', 'drain everything\n', 'Invalid command'],
    ['33 lists, each in the one before', `${'['.repeat(33)}${']'.repeat(33)}\n`, 'Invalid command'],
    ['binary data', Uint8Array.from([0, 255, 254, 10, 1, 2, 10]), 'Invalid command'],
    ['a line over the maximum', `"${'x'.repeat(MAX_LINE_BYTES)}"\n`, `line over ${MAX_LINE_BYTES} bytes`],
    ['an endless line', 'x'.repeat(MAX_LINE_BYTES + 1), `line over ${MAX_LINE_BYTES} bytes`],
  ])('%s is answered with an error and the connection closed', async (_what, data, error) => {
    const { path } = await start();
    const client = await RawAdminClient.open(path);
    client.write(data);
    expect(await client.answer()).toEqual({ success: false, error });
    await within(client.closed, 20_000, 'close');
    expect((await (await RawAdminClient.open(path)).ask({})).success).toBe(true);
  });

  test('a line of the maximum length is accepted', async () => {
    const { path } = await start(async (request) => ({ length: String(request).length }));
    const client = await RawAdminClient.open(path);
    client.write(`"${'x'.repeat(MAX_LINE_BYTES - 2)}"\n`);
    expect(await client.answer()).toEqual({ length: MAX_LINE_BYTES - 2 });
  });

  test('a line of the maximum length may come before its line break', async () => {
    const { path } = await start(async (request) => ({ length: String(request).length }));
    const client = await RawAdminClient.open(path);
    client.write(`"${'x'.repeat(MAX_LINE_BYTES - 2)}"`);
    await (await RawAdminClient.open(path)).ask({});
    client.write('\n');
    expect(await client.answer()).toEqual({ length: MAX_LINE_BYTES - 2 });
  });

  test('text is UTF-8', async () => {
    const { path } = await start();
    expect(await (await RawAdminClient.open(path)).ask({ text: 'é€😀' })).toEqual({
      success: true,
      request: { text: 'é€😀' },
    });
  });

  test('lines after an invalid one are not carried out', async () => {
    const requests: unknown[] = [];
    const { path } = await start(async (request) => {
      requests.push(request);
      return { success: true };
    });
    const client = await RawAdminClient.open(path);
    client.write('1\nnonsense\n2\n');
    expect([await client.answer(), await client.answer()].map((a) => a.success)).toEqual([true, false]);
    await within(client.closed, 20_000, 'close');
    expect(requests).toEqual([1]);
  });

  test('requests of one client are carried out one at a time, in whatever chunks they come', async () => {
    const gate = Promise.withResolvers<void>();
    let underWay = 0;
    let most = 0;
    const { path } = await start(async (request) => {
      if (request === 'other') return {};
      most = Math.max(most, ++underWay);
      await gate.promise;
      underWay--;
      return { request };
    });
    const [client, other] = [await RawAdminClient.open(path), await RawAdminClient.open(path)];
    for (let i = 0; i < 5; i++) {
      client.write(`${i}\n`);
      other.write('"other"\n');
      await other.answer();
    }
    gate.resolve();
    for (let i = 0; i < 5; i++) expect(await client.answer()).toEqual({ request: i });
    expect(most).toBe(1);
  });

  test('a client that does not read its answers has no further requests carried out', async () => {
    let done = 0;
    const first = Promise.withResolvers<void>();
    const { path } = await start(async (request) => {
      if (request === 'other') return {};
      done++;
      first.resolve();
      return { filler: 'x'.repeat(1 << 20) };
    });
    const [client, other] = [await RawAdminClient.open(path), await RawAdminClient.open(path)];
    const warnings: Error[] = [];
    const warn = (warning: Error) => void warnings.push(warning);
    process.on('warning', warn);
    client.socket.pause();
    client.write('1\n'.repeat(20));
    await first.promise;
    for (let i = 0; i < 5; i++) {
      other.write('"other"\n');
      await other.answer();
    }
    expect(done).toBeLessThan(20);
    client.socket.resume();
    for (let i = 0; i < 20; i++) await client.answer();
    expect(done).toBe(20);
    process.off('warning', warn);
    expect(warnings).toEqual([]);
  });

  test('a client that leaves before its answer affects no other', async () => {
    const asked = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const { path, logger, timers } = await start(async (request) => {
      if (request === 'other') return { success: true };
      asked.resolve();
      await gate.promise;
      return { filler: 'x'.repeat(1 << 20) };
    });
    const client = await RawAdminClient.open(path);
    client.write('1\n2\n');
    await asked.promise;
    client.close();
    await client.closed;
    gate.resolve();
    const other = await RawAdminClient.open(path);
    for (let i = 0; i < 3; i++) {
      other.write('"other"\n');
      expect(await other.answer()).toEqual({ success: true });
    }
    expect(logger.lines).toEqual([]);
    other.close();
    await other.closed;
    await eventually('no timer is left', () => timers.pending === 0 || undefined);
  });

  test('an internal error is logged and answered, and affects no other client', async () => {
    const { path, logger } = await start(async (request) => {
      if (request === 'fault') throw new Error('unforeseen');
      return { success: true };
    });
    const client = await RawAdminClient.open(path);
    client.write('"fault"\n');
    expect(await client.answer()).toEqual({ success: false, error: 'internal error, see the log' });
    expect(logger.lines).toEqual([expect.objectContaining({ level: 'error', message: 'admin request failed' })]);
    expect((await (await RawAdminClient.open(path)).ask({})).success).toBe(true);
  });

  test('a client that asks nothing for a minute is closed; each request begins another minute', async () => {
    const { path, timers } = await start();
    const client = await RawAdminClient.open(path);
    await client.ask({});
    timers.advance(59_999);
    await client.ask({});
    timers.advance(59_999);
    expect((await client.ask({})).success).toBe(true);
    timers.advance(60_000);
    await within(client.closed, 20_000, 'close');
  });

  test('a client that never asks is closed after a minute', async () => {
    const { path, timers } = await start();
    const silent = await RawAdminClient.open(path);
    const other = await RawAdminClient.open(path);
    await other.ask({});
    timers.advance(60_000);
    await within(silent.closed, 20_000, 'close');
  });

  test('the minute begins with the last that was sent, and again with the answer', async () => {
    let gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const { path, timers } = await start(async () => {
      asked.resolve();
      await gate.promise;
      return {};
    });
    const client = await RawAdminClient.open(path);
    timers.advance(59_999);
    const first = client.ask({});
    await asked.promise;
    timers.advance(59_999);
    gate.resolve();
    expect(await first).toEqual({});
    timers.advance(59_999);
    gate = Promise.withResolvers();
    gate.resolve();
    expect(await client.ask({})).toEqual({});
  });

  test('a client that does not read its answers is dropped after a minute, whatever it has asked', async () => {
    const answered = Promise.withResolvers<void>();
    const { path, timers } = await start(async () => {
      answered.resolve();
      return { filler: 'x'.repeat(8 << 20) };
    });
    const client = await RawAdminClient.open(path);
    client.socket.pause();
    client.write('1\n2\n');
    await answered.promise;
    timers.advance(59_999);
    client.write('3\n');
    const other = await RawAdminClient.open(path);
    await other.ask({});
    timers.advance(1);
    client.socket.resume();
    await within(client.closed, 20_000, 'close');
    other.close();
    await eventually('no timer is left', () => timers.pending === 0 || undefined);
    expect(client.received).toBeLessThan(8 << 20);
  });

  test('an answer is at most 16 MiB long', async () => {
    const { path } = await start(async (request) => ({ filler: 'x'.repeat(Number(request)) }));
    const most = 16 * 1024 * 1024 - '{"filler":""}\n'.length;
    const client = await RawAdminClient.open(path);
    client.write(`${most}\n`);
    expect(String((await client.answer()).filler).length).toBe(most);
    client.write(`${most + 1}\n`);
    expect(await client.answer()).toEqual({ success: false, error: 'answer over 16777216 bytes' });
    await within(client.closed, 20_000, 'close');
  });

  test('clients that have left do not count towards the limit', async () => {
    const { path } = await start();
    const longest = await RawAdminClient.open(path);
    await longest.ask({});
    for (let i = 0; i < 100; i++) {
      const client = await RawAdminClient.open(path);
      await client.ask({});
      client.socket.end();
      await client.closed;
    }
    expect((await longest.ask({})).success).toBe(true);
  });

  test('the 65th client gets an error and is closed; when one of the others leaves there is room again', async () => {
    const { path } = await start();
    const clients = await connected(path, 64);
    for (let i = 0; i < 20; i++)
      await expect(requestOnce('set', { key: 'k', value: 'x'.repeat(60_000) }, { socketPath: path })).rejects.toThrow(
        new RefusedError('64 clients are connected, no more are served'),
      );
    for (const client of clients) expect((await client.ask({})).success).toBe(true);
    clients[0]?.close();
    await clients[0]?.closed;
    await clients[1]?.ask({});
    expect((await (await RawAdminClient.open(path)).ask({})).success).toBe(true);
  });

  test('a client over the limit that asks nothing gets its error after a second', async () => {
    const { path, timers } = await start();
    const [first] = await connected(path, 64);
    const next = await RawAdminClient.open(path);
    await first?.ask({});
    timers.advance(1000);
    expect(await next.answer()).toEqual({ success: false, error: '64 clients are connected, no more are served' });
    await within(next.closed, 20_000, 'close');
  });

  test('a client over the limit may send its request in parts, and may leave at any time', async () => {
    const { path } = await start();
    const [first] = await connected(path, 64);
    const next = await RawAdminClient.open(path);
    next.write('{"action":');
    await first?.ask({});
    expect(next.received).toBe(0);
    next.write('"list"}\n');
    expect(await next.answer()).toMatchObject({ success: false });
    for (let i = 0; i < 20; i++) {
      const leaving = await RawAdminClient.open(path);
      leaving.write('{}\n'.repeat(i % 3));
      leaving.close();
    }
    expect((await first?.ask({}))?.success).toBe(true);
  });

  test('of more than 64 clients over the limit the last are closed without an answer; those that left do not count', async () => {
    const { path, timers, stop } = await start();
    const [first] = await connected(path, 64);
    const silent: RawAdminClient[] = [];
    for (let i = 0; i < 64; i++) silent.push(await RawAdminClient.open(path));
    const last = await RawAdminClient.open(path);
    await within(last.closed, 20_000, 'close');
    expect(last.received).toBe(0);
    silent[0]?.close();
    await silent[0]?.closed;
    await first?.ask({});
    expect(await (await RawAdminClient.open(path)).ask({})).toMatchObject({ success: false });
    await stop();
    await within(Promise.all(silent.map(({ closed }) => closed)), 20_000, 'close');
    expect(timers.pending).toBe(0);
  });

  test('is claimed before it serves: requests wait until it does', async () => {
    const path = newPath();
    const server = await claimAdminSocket(path, new RecordingLogger(), new ManualTimers());
    onCleanup(() => server.stop());
    const client = await RawAdminClient.open(path);
    const answer = client.ask({ action: 'status' });
    server.serve(echo);
    expect(await answer).toEqual({ success: true, request: { action: 'status' } });
  });
});
