import { describe, expect, test } from 'bun:test';
import { chmodSync, chownSync, lstatSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AdminClient, requestOnce } from '../../src/admin/client.ts';
import { BrokenAnswerError, DeniedError, NoSidecarError, TimedOutError } from '../../src/admin/errors.ts';
import { trustedOwner, whyNot } from '../../src/admin/trust.ts';
import { AdminPeer } from '../support/admin-peer.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';

/** Gives a file to a user who is neither root nor us, or makes a test that is not root someone else. @returns our uid then */
function giveAway(path: string): number {
  const own = process.getuid?.() ?? 0;
  if (own !== 0) return own + 1;
  chownSync(path, 65534, 65534);
  return own;
}

describe('a socket is trusted', () => {
  test('when it belongs to our own user', async () => {
    const { path } = await AdminPeer.start();
    expect(trustedOwner(path)).toBe(lstatSync(path).uid);
  });

  test('when it belongs to root, whoever asks', async () => {
    const peer = await AdminPeer.start();
    if (lstatSync(peer.path).uid === 0) expect(trustedOwner(peer.path, 4711)).toBe(0);
    else expect(() => trustedOwner(peer.path, 4711)).toThrow(DeniedError);
  });

  test('but not when it belongs to another user; the error names the user to become', async () => {
    const { path } = await AdminPeer.start();
    const uid = giveAway(path);
    expect(trustedOwner(path, lstatSync(path).uid)).toBe(lstatSync(path).uid);
    expect(() => trustedOwner(path, uid)).toThrow(DeniedError);
    expect(() => trustedOwner(path, uid)).toThrow(
      new RegExp(`^${path} belongs to (.*uid \\d+\\)?), and you are .*uid ${uid}\\)?\\. Run this command as \\1$`),
    );
  });
});

test('root trusts the socket of another user in no directory that this user can have made, as in /tmp', async () => {
  const { path } = await AdminPeer.start();
  if (process.getuid?.() === 0) for (const file of [dirname(path), path]) chownSync(file, 65534, 65534);
  expect(() => trustedOwner(path, 0)).toThrow(DeniedError);
});

test('a socket that is exchanged while we connect is not asked, and the connection closed', async () => {
  const path = join(temporaryDirectory('admin'), 'admin.sock');
  const asked: unknown[] = [];
  const closed = Promise.withResolvers<void>();
  const server = Bun.listen({
    unix: path,
    socket: { data: (_, data) => void asked.push(data), close: () => closed.resolve() },
  });
  const other = `${path}.other`;
  writeFileSync(other, '');
  const answer = requestOnce('list', {}, { socketPath: path });
  // By now the client has looked at the socket and begun to connect.
  renameSync(other, path);
  await expect(answer).rejects.toThrow('there is a regular file, not a socket');
  await within(closed.promise, 20_000, 'close');
  expect(asked).toEqual([]);
  server.stop(true);
});

describe('a connection that fails', () => {
  test.each(['EACCES', 'EPERM'])('with %s: the error names the user to become', (code) => {
    expect(whyNot('/s', code, 0, 4711)).toEqual(
      new DeniedError('permission denied: uid 4711 may not open /s. Run this command as root (uid 0)'),
    );
    expect(whyNot('/s', code, 4712, 4711).message).toEndWith('Run this command as uid 4712');
    expect(whyNot('/s', code, undefined, 4711).message).toEndWith("Run this command as the sidecar's user");
  });

  test('otherwise: there is no sidecar, or it hangs', () => {
    expect(whyNot('/s', 'ECONNREFUSED', 0)).toEqual(new NoSidecarError('no sidecar at /s: nothing listens there'));
    expect(whyNot('/s', 'ENOENT', 0)).toEqual(new NoSidecarError('no sidecar at /s: there is no such file'));
    expect(whyNot('/s', 'EIO', 0)).toEqual(new NoSidecarError('no sidecar at /s: EIO'));
    expect(whyNot('/s', 'ETIMEDOUT', 0)).toBeInstanceOf(TimedOutError);
    expect(whyNot('/s', 'ECONNRESET', 0)).toBeInstanceOf(BrokenAnswerError);
  });
});

test('a client that was refused can ask again', async () => {
  const peer = await AdminPeer.start(() => ({ success: true, drained: [] }));
  const client = new AdminClient({ socketPath: peer.path });
  const away = join(temporaryDirectory('admin'), 'away');
  renameSync(peer.path, away);
  mkdirSync(peer.path);
  chmodSync(peer.path, 0o700);
  await expect(client.request('fs-drained', {})).rejects.toThrow('there is a directory, not a socket');
  renameSync(peer.path, `${away}.directory`);
  renameSync(away, peer.path);
  expect(await client.request('fs-drained', {})).toEqual({ success: true, drained: [] });
  client.close();
});
