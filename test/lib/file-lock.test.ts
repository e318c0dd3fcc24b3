import { expect, test } from 'bun:test';
import { existsSync, lstatSync, mkdirSync, readdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { lockFile } from '../../src/lib/file-lock.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { spawnProcess } from '../support/process.ts';

const MODULE = join(import.meta.dir, '../../src/lib/file-lock.ts');
const newPath = () => join(temporaryDirectory('lock'), 'a.lock');

test('a file is locked once, for its owner only, until it is released', () => {
  const path = newPath();
  const lock = lockFile(path);
  expect(lock).toBeDefined();
  expect(lstatSync(path).mode & 0o777).toBe(0o600);
  expect(lockFile(path)).toBeUndefined();
  lock?.release();
  expect(existsSync(path)).toBe(false);
  lockFile(path)?.release();
});

test('the lock of a dead process ends', async () => {
  const path = newPath();
  const script = `const { lockFile } = await import(${JSON.stringify(MODULE)});
    globalThis.lock = lockFile(${JSON.stringify(path)}); console.log('up'); setInterval(() => {}, 1000);`;
  const other = spawnProcess(process.execPath, ['-e', script]);
  await other.line(/up/, 30_000);
  expect(lockFile(path)).toBeUndefined();
  other.kill('SIGKILL');
  await other.exited;
  expect(existsSync(path)).toBe(true);
  lockFile(path)?.release();
  expect(existsSync(path)).toBe(false);
});

test('a lock whose file was removed does not remove the next one', () => {
  const path = newPath();
  const first = lockFile(path);
  unlinkSync(path);
  const second = lockFile(path);
  first?.release();
  expect(existsSync(path)).toBe(true);
  expect(lockFile(path)).toBeUndefined();
  second?.release();
});

test('a symlink and a directory are errors', () => {
  const path = newPath();
  symlinkSync('elsewhere', path);
  expect(() => lockFile(path)).toThrow('ELOOP');
  mkdirSync(`${path}.d`);
  expect(() => lockFile(`${path}.d`)).toThrow('EISDIR');
});

test('no descriptor stays open, whether the lock was got or not', () => {
  const path = newPath();
  lockFile(path)?.release();
  const before = readdirSync('/proc/self/fd').length;
  for (let i = 0; i < 20; i++) {
    const lock = lockFile(path);
    lockFile(path);
    lock?.release();
  }
  expect(readdirSync('/proc/self/fd').length).toBeLessThan(before + 20);
});

test('processes that lock and release all the time never have the lock together', async () => {
  const path = newPath();
  const script = `const { lockFile } = await import(${JSON.stringify(MODULE)});
    const { unlinkSync, writeFileSync } = await import('node:fs');
    for (let rounds = 0; rounds < 500; ) {
      const lock = lockFile(${JSON.stringify(path)});
      if (!lock) continue;
      rounds++;
      writeFileSync(${JSON.stringify(`${path}.held`)}, '', { flag: 'wx' });
      unlinkSync(${JSON.stringify(`${path}.held`)});
      lock.release();
    }`;
  const processes = [1, 2, 3].map(() => spawnProcess(process.execPath, ['-e', script]));
  for (const { exited, lines } of processes) {
    const { code } = await within(exited, 60_000, 'end of the rounds');
    expect({ code, lines }).toEqual({ code: 0, lines: [] });
  }
  expect(existsSync(path)).toBe(false);
});
