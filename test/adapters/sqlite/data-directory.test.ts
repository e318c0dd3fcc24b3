import { describe, expect, test } from 'bun:test';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { claimDataDirectory, holderOf, inspectDataDirectory } from '../../../src/adapters/sqlite/data-directory.ts';
import { DataError } from '../../../src/adapters/sqlite/data-error.ts';
import { openSqlite } from '../../../src/adapters/sqlite/open.ts';
import { temporaryDirectory } from '../../support/cleanup.ts';
import { spawnProcess } from '../../support/process.ts';

const FILES = ['sidecar.db', 'sidecar.db-wal', 'sidecar.db-shm', 'sidecar.db-journal', 'sidecar.lock'];
const SOURCE = join(import.meta.dir, '../../../src/adapters/sqlite/data-directory.ts');

function directory(mode = 0o700): string {
  const path = join(temporaryDirectory('data'), 'data');
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
}

/** The message, which names the directory and is one line. */
function refusal(path: string): string {
  for (const refused of [inspectDataDirectory, claimDataDirectory]) {
    expect(() => refused(path)).toThrow(DataError);
    expect(() => refused(path)).toThrow(/^data directory .*, user .*; type |; name another|; run as|--data/);
  }
  try {
    claimDataDirectory(path);
  } catch (error) {
    const { message } = error as Error;
    expect(message).not.toContain('\n');
    return message;
  }
  throw new Error('not refused');
}

const modeOf = (path: string) => (lstatSync(path).mode & 0o777).toString(8);

describe('a data directory', () => {
  test('is created for its owner only, and so are its files, with any umask', () => {
    const before = process.umask(0);
    try {
      const path = join(temporaryDirectory('data'), 'new');
      const claimed = claimDataDirectory(path);
      const database = openSqlite(claimed.path);
      expect(modeOf(path)).toBe('700');
      for (const name of FILES.filter((file) => existsSync(join(path, file))))
        expect(modeOf(join(path, name))).toBe('600');
      database.close();
      claimed.release();
    } finally {
      process.umask(before);
    }
  });

  test.each([0o700, 0o750, 0o710, 0o740])('may have mode %o', (mode) => {
    claimDataDirectory(directory(mode)).release();
  });

  test.each([0o755, 0o770, 0o720, 0o701, 0o702, 0o704, 0o777])(
    'is refused with mode %o, with the command that mends it',
    (mode) => {
      const path = directory(mode);
      expect(refusal(path)).toContain(`is open to others (mode 0${mode.toString(8)}); type chmod 0700 ${path}`);
      chmodSync(path, 0o700);
      claimDataDirectory(path).release();
    },
  );

  test('is refused when its owner may not write to it', () => {
    const path = directory(0o500);
    expect(refusal(path)).toContain(`is closed to its owner (mode 0500); type chmod 0700 ${path}`);
  });

  test.each(['', '/', '/.'])('is no symbolic link: link%s', (end) => {
    const path = directory();
    const link = join(temporaryDirectory('data'), 'link');
    symlinkSync(path, link);
    expect(refusal(`${link}${end}`)).toContain(`is a symbolic link; name what it points to: --data ${path}`);
  });

  test.each(FILES)('has no symbolic link in place of %s, even a dangling one', (name) => {
    for (const target of ['/etc/hostname', '/nonexistent/file']) {
      const path = directory();
      symlinkSync(target, join(path, name));
      expect(refusal(path)).toContain(`${join(path, name)} is not a regular file`);
      expect(existsSync('/nonexistent')).toBe(false);
    }
  });

  test('is a directory, in one that exists', () => {
    const parent = temporaryDirectory('data');
    writeFileSync(join(parent, 'file'), '');
    expect(refusal(join(parent, 'file'))).toContain('is not a directory');
    expect(refusal(join(parent, 'file', 'data'))).toContain(`${join(parent, 'file')} is not a directory`);
    expect(refusal(join(parent, 'no', 'data'))).toContain(`does not exist; type mkdir -p ${join(parent, 'no')}`);
  });

  test('has a path that a shell takes as it is printed', () => {
    const parent = temporaryDirectory('data');
    const path = join(parent, "o'ne $two");
    mkdirSync(path);
    chmodSync(path, 0o755);
    expect(refusal(path)).toEndWith(`type chmod 0700 '${parent}/o'\\''ne $two'`);
  });

  test.skipIf(process.getuid?.() !== 0)('belongs to us, with all its files, also when we are root', () => {
    const path = directory();
    chownSync(path, 12345, 12345);
    expect(refusal(path)).toContain(
      `belongs to another user (uid 12345); run as that user, or type chown -R 0 ${path}`,
    );
    chownSync(path, 0, 0);
    writeFileSync(join(path, 'sidecar.db'), '');
    chownSync(join(path, 'sidecar.db'), 12345, 12345);
    expect(refusal(path)).toContain(`${join(path, 'sidecar.db')} belongs to another user`);
  });
});

describe('the lock of a data directory', () => {
  test('lets one process have it, and names that one', async () => {
    const path = directory();
    const script = `const { claimDataDirectory } = await import(${JSON.stringify(SOURCE)});
      globalThis.kept = claimDataDirectory(${JSON.stringify(path)});
      console.log('claimed');
      setInterval(() => Bun.gc(true), 10);`;
    const other = spawnProcess(process.execPath, ['-e', script]);
    await other.line(/claimed/, 30_000);
    expect(holderOf(path)).toBe(`pid ${other.pid}`);
    const claim = () => claimDataDirectory(path);
    expect(claim).toThrow(`is used by another sidecar (pid ${other.pid}); stop that one`);
    try {
      claim();
    } catch (error) {
      expect(error instanceof DataError && error.isTransient).toBe(true);
    }

    other.kill('SIGKILL');
    await other.exited;
    expect(holderOf(path)).toBeUndefined();
    claim().release();
  });

  test('is not held by a second claim in the same process, and is free once released', () => {
    const path = directory();
    const first = claimDataDirectory(path);
    expect(() => claimDataDirectory(path)).toThrow('is used by another sidecar');
    first.release();
    claimDataDirectory(path).release();
  });

  test('is looked at without creating anything', () => {
    const path = directory();
    expect(holderOf(path)).toBeUndefined();
    expect(inspectDataDirectory(path)).toBe(true);
    expect(existsSync(join(path, 'sidecar.lock'))).toBe(false);
    const missing = join(path, 'missing');
    expect(inspectDataDirectory(missing)).toBe(false);
    expect(existsSync(missing)).toBe(false);
  });
});

describe('a database', () => {
  test.each([
    ['text', 'this is not a database\n'.repeat(1000)],
    ['random bytes', Buffer.alloc(8192, 7)],
  ])('that is %s is refused, with the command that moves it away', (_, content) => {
    const path = directory();
    writeFileSync(join(path, 'sidecar.db'), content);
    expect(() => openSqlite(path)).toThrow(DataError);
    expect(() => openSqlite(path)).toThrow(`its database is corrupt; to start with an empty one`);
    expect(() => openSqlite(path)).toThrow(`type mv ${path} ${path}.old`);
  });

  test('of another program is refused in a line', () => {
    const path = directory();
    const database = openSqlite(path);
    database.run('DROP TABLE bindings; CREATE VIEW bindings AS SELECT 1; DROP TABLE aors; CREATE TABLE aors (x)');
    database.close();
    expect(() => openSqlite(path)).toThrow(/^data directory .*(SQLITE_ERROR).*type mv /);
  });
});
