import { describe, expect, test } from 'bun:test';
import { existsSync, lstatSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MAX_LINE_BYTES } from '../../src/admin/protocol.ts';
import { AdminSocketError, startAdminServer } from '../../src/admin/server.ts';
import { AdminClient } from '../support/admin.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { RecordingLogger } from '../support/logger.ts';
import { spawnProcess } from '../support/process.ts';

const echo = async (request: unknown) => ({ success: true, request });
const newPath = () => join(temporaryDirectory('admin'), 'admin.sock');

async function start(perform: (request: unknown) => Promise<object> = echo, path = newPath()) {
  const logger = new RecordingLogger();
  const server = await startAdminServer(path, perform, logger);
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= server.stop();
    return stopped;
  };
  onCleanup(stop);
  return { path, logger, stop };
}

describe('the admin socket', () => {
  test('can be opened by its owner only, and is gone after the end', async () => {
    const { path, stop } = await start();
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
    await stop();
    expect(existsSync(path)).toBe(false);
  });

  test('answers in order, also lines that come together or in pieces', async () => {
    const gate = Promise.withResolvers<void>();
    const { path } = await start(async (request) => {
      if (request === 1) await gate.promise;
      return { request };
    });
    const client = await AdminClient.open(path);
    client.write('1\n2\n');
    client.write('"thr');
    gate.resolve();
    client.write('ee"\n\n  \n4\n');
    const answers = [await client.answer(), await client.answer(), await client.answer(), await client.answer()];
    expect(answers.map((a) => a.request)).toEqual([1, 2, 'three', 4]);
  });

  test('serves several clients at once; half a line holds nobody up', async () => {
    const { path } = await start();
    const stalled = await AdminClient.open(path);
    stalled.write('{"action":');
    const others = await Promise.all([1, 2, 3].map(() => AdminClient.open(path)));
    const answers = await Promise.all(others.map((client, i) => client.ask({ i })));
    expect(answers.map((a) => a.request)).toEqual([{ i: 0 }, { i: 1 }, { i: 2 }]);
    stalled.write('"late"}\n');
    expect((await stalled.answer()).request).toEqual({ action: 'late' });
  });

  test.each([
    ['invalid JSON', 'drain everything\n', 'Invalid command'],
    ['binary junk', Uint8Array.from([0, 255, 254, 10, 1, 2, 10]), 'Invalid command'],
    ['a line that is too long', `"${'x'.repeat(MAX_LINE_BYTES)}"\n`, `line over ${MAX_LINE_BYTES} bytes`],
    ['a line that does not end', 'x'.repeat(MAX_LINE_BYTES + 1), `line over ${MAX_LINE_BYTES} bytes`],
  ])('%s is answered with an error and the connection closed', async (_what, data, error) => {
    const { path } = await start();
    const client = await AdminClient.open(path);
    client.write(data);
    expect(await client.answer()).toEqual({ success: false, error });
    await within(client.closed, 20_000, 'close');
    expect((await (await AdminClient.open(path)).ask({})).success).toBe(true);
  });

  test('a line of just the bound is taken', async () => {
    const { path } = await start(async (request) => ({ length: String(request).length }));
    const client = await AdminClient.open(path);
    client.write(`"${'x'.repeat(MAX_LINE_BYTES - 2)}"\n`);
    expect(await client.answer()).toEqual({ length: MAX_LINE_BYTES - 2 });
  });

  test('a fault of ours is logged and answered, and harms no other client', async () => {
    const { path, logger } = await start(async (request) => {
      if (request === 'fault') throw new Error('unforeseen');
      return { success: true };
    });
    const client = await AdminClient.open(path);
    client.write('"fault"\n');
    expect(await client.answer()).toEqual({ success: false, error: 'internal error, see the log' });
    expect(logger.lines).toEqual([expect.objectContaining({ level: 'error', message: 'admin request failed' })]);
    expect((await (await AdminClient.open(path)).ask({})).success).toBe(true);
  });

  test('a client beyond the bound takes the place of the oldest', async () => {
    const { path } = await start();
    const clients: AdminClient[] = [];
    for (let i = 0; i < 64; i++) {
      const client = await AdminClient.open(path);
      await client.ask({});
      clients.push(client);
    }
    const next = await AdminClient.open(path);
    expect((await next.ask({})).success).toBe(true);
    await within(clients[0]?.closed ?? Promise.reject(), 20_000, 'close of the oldest');
    expect((await clients[1]?.ask({}))?.success).toBe(true);
  });
});

describe('a socket file that is there already', () => {
  test('is replaced when its process is dead', async () => {
    const path = newPath();
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
    const other = spawnProcess(process.execPath, ['-e', script]);
    await other.line(/up/, 30_000);
    other.kill('SIGKILL');
    await other.exited;
    expect(existsSync(path)).toBe(true);
    const { logger } = await start(echo, path);
    expect(logger.lines[0]?.message).toBe('replaced an admin socket that a dead process left');
    expect((await (await AdminClient.open(path)).ask({})).success).toBe(true);
  });

  test('is left alone when somebody listens, who is named', async () => {
    const { path } = await start(async () => ({ success: true, pid: 4711 }));
    const second = startAdminServer(path, echo, new RecordingLogger());
    expect(second).rejects.toThrow(new AdminSocketError(`admin socket ${path} is in use by pid 4711`));
    await second.catch(() => {});
    expect((await (await AdminClient.open(path)).ask({})).pid).toBe(4711);
  });

  test('is left alone when it is no socket', async () => {
    const path = newPath();
    writeFileSync(path, 'precious');
    const failed = startAdminServer(path, echo, new RecordingLogger());
    expect(failed).rejects.toThrow(AdminSocketError);
    await failed.catch(() => {});
    expect(await Bun.file(path).text()).toBe('precious');
  });

  test('a path that cannot be used is said', async () => {
    const failed = startAdminServer('/nonexistent/admin.sock', echo, new RecordingLogger());
    expect(failed).rejects.toThrow('admin socket /nonexistent/admin.sock: ');
    await failed.catch(() => {});
  });
});
