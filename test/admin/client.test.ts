import { afterEach, describe, expect, test } from 'bun:test';
import { AdminClient, requestOnce } from '../../src/admin/client.ts';
import { BrokenAnswerError, NoSidecarError, RefusedError, TimedOutError } from '../../src/admin/errors.ts';
import { fileWith } from '../e2e/sidecar.ts';
import { AdminPeer, serverList } from '../support/admin-peer.ts';

const peer = await AdminPeer.start();
afterEach(() => {
  peer.reply = () => undefined;
});

const drained = () => requestOnce('fs-drained', {}, { socketPath: peer.path, timeoutMs: 2000 });

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

  test('a time-out is an error', async () => {
    const asked = requestOnce('status', {}, { socketPath: peer.path, timeoutMs: 20 });
    await expect(asked).rejects.toThrow(new TimedOutError('timed out: the sidecar did not answer within 0.02 s'));
  });

  test('without a sidecar at the socket, the error says why', async () => {
    const stale = await fileWith('stale.sock', '');
    for (const [socketPath, why] of [
      ['/nowhere/admin.sock', 'there is no such file'],
      [stale, 'nothing listens there'],
      [`/${'x'.repeat(200)}`, 'too long'],
    ] as const) {
      const error = await requestOnce('list', {}, { socketPath }).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(NoSidecarError);
      expect(String(error)).toContain(socketPath);
      expect(String(error)).toContain(why);
    }
  });

  test('a request over the size limit is not sent', async () => {
    const count = peer.asked.length;
    const asked = requestOnce('set', { key: 'k', value: 'x'.repeat(65_536) }, { socketPath: peer.path });
    await expect(asked).rejects.toThrow(RefusedError);
    expect(peer.asked.length).toBe(count);
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
