import { afterEach, describe, expect, jest, spyOn, test } from 'bun:test';
import { symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { AdminClient, requestOnce, usualSocketPath } from '../../src/admin/client.ts';
import { BrokenAnswerError, NoSidecarError, RefusedError, TimedOutError } from '../../src/admin/errors.ts';
import { ConnectError, LineConnection } from '../../src/admin/line-connection.ts';
import { MAX_LINE_BYTES } from '../../src/admin/protocol.ts';
import { fileWith } from '../e2e/sidecar.ts';
import { AdminPeer, serverList } from '../support/admin-peer.ts';
import { within } from '../support/deadline.ts';
import { spawnProcess } from '../support/process.ts';

const peer = await AdminPeer.start();
afterEach(() => {
  peer.reply = () => undefined;
});

const drained = () => requestOnce('fs-drained', {}, { socketPath: peer.path, timeoutMs: 2000 });

test('commands look for the socket of the service, then for that of a sidecar that was started by hand', () => {
  expect(usualSocketPath(peer.path)).toBe(peer.path);
  expect(usualSocketPath('/nonexistent/admin.sock')).toBe('/tmp/sbc-sip-sidecar.sock');
});

describe('a single request', () => {
  test('is one line, and resolves with the answer', async () => {
    peer.reply = () => ({ success: true, action: 'drain', server: '10.0.0.1', drained: ['10.0.0.1'] });
    const answer = await requestOnce('fs-drain', { server: '10.0.0.1' }, { socketPath: peer.path });
    expect(answer.drained).toEqual(['10.0.0.1']);
    expect(peer.asked.at(-1)).toEqual({ action: 'fs-drain', server: '10.0.0.1' });
  });

  test('fields of a newer version are kept', async () => {
    peer.reply = () => ({ success: true, drained: [], since: 5 });
    expect(await drained()).toMatchObject({ since: 5 });
  });

  test('a refusal is an error with the sidecar’s message', async () => {
    peer.reply = () => ({ success: false, error: 'Invalid IP address: x' });
    await expect(drained()).rejects.toThrow(new RefusedError('Invalid IP address: x'));
  });

  test.each([
    ['invalid JSON', 'HTTP/1.1 400 Bad Request\r\n', 'no JSON'],
    ['the answer to another action', '{"success":true,"servers":[]}\n', 'another version'],
    ['an array', '[]\n', 'another version'],
    ['an answer that does not say whether it succeeded', '{"drained":[]}\n', 'another version'],
    ['a refusal without a reason', '{"success":false}\n', 'another version'],
    ['the end of the connection', '', 'closed the connection'],
    ['half a line', '{"success":true', 'closed the connection'],
  ])('%s is a broken answer', async (_, reply, message) => {
    peer.reply = () => reply;
    const error = await drained().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(BrokenAnswerError);
    expect(String(error)).toContain(message);
  });

  test('an endless answer is an error', async () => {
    const flood = Bun.listen({
      unix: `${peer.path}.flood`,
      socket: {
        data: (socket) => void socket.write(new Uint8Array(1 << 20).fill(0x20)),
        drain: (socket) => void socket.write(new Uint8Array(1 << 20).fill(0x20)),
      },
    });
    const asked = requestOnce('list', {}, { socketPath: `${peer.path}.flood` });
    await expect(asked).rejects.toThrow('longer than 16777216 bytes');
    flood.stop(true);
  });

  test('a long answer arrives in chunks', async () => {
    const servers = Array.from({ length: 20_000 }, (_, i) => ({
      server: `10.0.${i >> 8}.${i & 255}:5060`,
      serviceUrl: 'é',
    }));
    const list = serverList(...servers);
    peer.reply = () => list;
    const answer = await requestOnce('fs-list', {}, { socketPath: peer.path });
    expect(Bun.deepEquals(answer, list)).toBe(true);
  });

  test('characters of several bytes may be split between chunks', async () => {
    const message = '€é'.repeat(500_000);
    peer.reply = () => ({ success: true, message });
    const answer = await requestOnce('reload', {}, { socketPath: peer.path });
    expect(answer.message === message).toBe(true);
  });

  test('the value of an unknown setting may be missing', async () => {
    peer.reply = () => ({ success: true, key: 'k' });
    expect(await requestOnce('get', { key: 'k' }, { socketPath: peer.path })).toEqual({ success: true, key: 'k' });
  });

  test('closes its connection after the answer', async () => {
    const path = `${peer.path}.closing`;
    const closed = Promise.withResolvers<void>();
    const server = Bun.listen({
      unix: path,
      socket: { data: (socket) => void socket.write('{"success":true,"drained":[]}\n'), close: () => closed.resolve() },
    });
    await requestOnce('fs-drained', {}, { socketPath: path });
    await within(closed.promise, 20_000, 'close');
    server.stop(true);
  });

  test('a time-out is an error', async () => {
    const asked = requestOnce('status', {}, { socketPath: peer.path, timeoutMs: 20 });
    await expect(asked).rejects.toThrow(new TimedOutError('timed out: the sidecar did not answer within 0.02 s'));
  });

  test('without a sidecar at the socket, the error says why', async () => {
    const file = await fileWith('file', '');
    const stale = `${file}.sock`;
    const target = await AdminPeer.start();
    symlinkSync(target.path, `${file}.link`);
    const script = 'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])';
    await spawnProcess('python3', ['-c', script, stale]).exited;
    for (const [socketPath, why] of [
      ['/nowhere/admin.sock', 'there is no such file'],
      [`${file}/admin.sock`, 'a part of the path is no directory'],
      [stale, 'nothing listens there'],
      [file, 'there is a regular file, not a socket'],
      [dirname(file), 'there is a directory, not a socket'],
      [`${file}.link`, 'there is a symbolic link, not a socket'],
      ['/dev/null', 'there is a special file, not a socket'],
      [`/${'é'.repeat(54)}`, 'the path is over 107 bytes'],
    ] as const) {
      const error = await requestOnce('list', {}, { socketPath }).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(NoSidecarError);
      expect(String(error)).toContain(socketPath);
      expect(String(error)).toContain(why);
    }
  });

  test('a request over the size limit is not sent', async () => {
    const count = peer.asked.length;
    const set = (value: string) => requestOnce('set', { key: 'k', value }, { socketPath: peer.path });
    peer.reply = ({ key, value }) => ({ success: true, key, value, effect: false });
    const most = MAX_LINE_BYTES - JSON.stringify({ action: 'set', key: 'k', value: '' }).length;
    expect((await set('x'.repeat(most))).effect).toBe(false);
    await expect(set('x'.repeat(most + 1))).rejects.toThrow(RefusedError);
    await expect(set('é'.repeat(most / 2 + 1))).rejects.toThrow(RefusedError);
    expect(peer.asked.length).toBe(count + 1);
  });
});

describe('a client', () => {
  test('answers concurrent requests in order', async () => {
    peer.reply = ({ key }) => ({ success: true, key, value: `of ${key}` });
    const client = new AdminClient({ socketPath: peer.path });
    const answers = await Promise.all(['a', 'b', 'c'].map((key) => client.request('get', { key })));
    expect(answers.map(({ value }) => value)).toEqual(['of a', 'of b', 'of c']);
    expect(client.opened).toBe(1);
    client.close();
  });

  test('long requests arrive whole and in order, however little the socket takes at once', async () => {
    peer.reply = ({ key, value }) => ({ success: true, key, value, effect: false });
    const client = new AdminClient({ socketPath: peer.path });
    const values = Array.from({ length: 40 }, (_, i) => `${i}${'x'.repeat(60_000)}`);
    const answers = await Promise.all(values.map((value) => client.request('set', { key: 'k', value })));
    expect(answers.every(({ value }, i) => value === values[i])).toBe(true);
    client.close();
  });

  test('answers may be longer together than one may be', async () => {
    const message = 'x'.repeat(1 << 20);
    peer.reply = () => ({ success: true, message });
    const client = new AdminClient({ socketPath: peer.path });
    for (let i = 0; i < 20; i++) expect((await client.request('reload', {})).message.length).toBe(message.length);
    client.close();
  });

  test('gives up a connection with an answer to no request', async () => {
    const path = `${peer.path}.unasked`;
    const answer = '{"success":true,"drained":[]}\n';
    let connections = 0;
    const server = Bun.listen({
      unix: path,
      socket: {
        open: () => void connections++,
        data: (socket) => void socket.write(answer.repeat(2)),
      },
    });
    const client = new AdminClient({ socketPath: path });
    for (let i = 0; i < 2; i++) expect((await client.request('fs-drained', {})).drained).toEqual([]);
    expect(connections).toBe(2);
    client.close();
    server.stop(true);
  });

  test('an answered request no longer times out', async () => {
    peer.reply = () => ({ success: true, drained: [] });
    const client = new AdminClient({ socketPath: peer.path });
    await client.request('fs-drained', {});
    jest.useFakeTimers();
    try {
      await client.request('fs-drained', {}, 1000);
      jest.advanceTimersByTime(1000);
    } finally {
      jest.useRealTimers();
    }
    await client.request('fs-drained', {});
    expect(client.opened).toBe(1);
    client.close();
  });

  test('a closed connection sends nothing more', async () => {
    const connection = await LineConnection.open(peer.path);
    const why = new BrokenAnswerError('closed');
    connection.close(why);
    await expect(connection.exchange('{}', 1000)).rejects.toThrow(why);
  });

  test('reconnects after a loss, and counts it', async () => {
    const own = await AdminPeer.start(() => ({ success: true, drained: [] }));
    const client = new AdminClient({ socketPath: own.path });
    await client.request('fs-drained', {});
    await client.request('fs-drained', {});
    expect(client.opened).toBe(1);
    own.stop();
    await expect(client.request('fs-drained', {})).rejects.toThrow();
    await own.start();
    expect(await client.request('fs-drained', {})).toEqual({ success: true, drained: [] });
    expect(client.opened).toBe(2);
    client.close();
  });

  test('close() ends pending requests', async () => {
    const client = new AdminClient({ socketPath: peer.path });
    const count = peer.asked.length;
    const asked = client.request('list', {}).catch((e: unknown) => e);
    await peer.requests(count + 1);
    client.close();
    expect(await asked).toBeInstanceOf(BrokenAnswerError);
  });
});

describe('a connection', () => {
  test('that does not come about within a second is an error, and closed if it does later', async () => {
    const late = Promise.withResolvers<Bun.Socket>();
    const connect = spyOn(Bun, 'connect').mockImplementation(() => late.promise);
    jest.useFakeTimers();
    try {
      const error = LineConnection.open('/s').catch((e: unknown) => e);
      jest.advanceTimersByTime(1000);
      expect(await error).toEqual(new ConnectError('ETIMEDOUT'));
    } finally {
      jest.useRealTimers();
      connect.mockRestore();
    }
    const closed = Promise.withResolvers<void>();
    const path = `${peer.path}.late`;
    const server = Bun.listen({ unix: path, socket: { data: () => {}, close: () => closed.resolve() } });
    late.resolve(await Bun.connect({ unix: path, socket: { data: () => {} } }));
    await within(closed.promise, 20_000, 'close');
    server.stop(true);
  });

  test('leaves no timer behind', async () => {
    const cleared = spyOn(globalThis, 'clearTimeout');
    const connection = await LineConnection.open(peer.path);
    expect(cleared).toHaveBeenCalledTimes(1);
    cleared.mockRestore();
    connection.close(new BrokenAnswerError('closed'));
  });
});
