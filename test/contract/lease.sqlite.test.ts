import { afterAll, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { uptime } from 'node:os';
import { SqliteLease } from '../../src/adapters/sqlite/lease.ts';
import { openSqlite } from '../../src/adapters/sqlite/open.ts';
import { removeTemporaryDirectory, temporaryDirectory } from '../support/cleanup.ts';
import { ManualTimers } from '../support/timers.ts';
import { leaseContract } from './lease.ts';

const directory = temporaryDirectory('lease');
const first = openSqlite(directory);
const second = openSqlite(directory);
afterAll(() => {
  first.close();
  second.close();
  removeTemporaryDirectory(directory);
});

const LENGTH_MS = 30_000;
/** By how much a lease is longer. */
const STEP_MS = 1000;
const DAY_MS = 86_400_000;

leaseContract('SQLite', (clusterId) => {
  const clock = new ManualTimers();
  let opened = 0;
  return {
    open: () => new SqliteLease(opened++ % 2 === 0 ? first : second, clusterId, () => clock.monotonic() / 1000),
    expire: async () => clock.advance(50 + STEP_MS),
    flush: async () => first.run('DELETE FROM machine_leases'),
  };
});

describe('a lease in SQLite', () => {
  /** Two processes on a machine that has been up for a while. */
  function machine() {
    const clock = new ManualTimers();
    clock.advance(3_600_000);
    const clusterId = crypto.randomUUID();
    const open = (database = first) => new SqliteLease(database, clusterId, () => clock.monotonic() / 1000);
    return { clock, clusterId, dead: open(first), other: open(second) };
  }

  test.each([-DAY_MS, -1, 0, 1, DAY_MS])(
    'of a dead process ends after its length, and not before, when the time of day changes by %i ms',
    async (change) => {
      const { clock, dead, other } = machine();
      expect(await dead.take('a', LENGTH_MS)).toBe(true);
      clock.skew += change;
      clock.advance(LENGTH_MS - 1);
      expect(await other.take('b', LENGTH_MS)).toBe(false);
      expect(await other.holder()).toBe('a');
      clock.advance(1 + STEP_MS);
      expect(await other.holder()).toBeUndefined();
      expect(await other.take('b', LENGTH_MS)).toBe(true);
    },
  );

  test.each([-DAY_MS, DAY_MS])('is renewed as ever when the time of day changes by %i ms', async (change) => {
    const { clock, dead: live, other } = machine();
    await live.take('a', LENGTH_MS);
    for (let i = 0; i < 5; i++) {
      clock.skew += change;
      clock.advance(LENGTH_MS / 3);
      expect(await live.renew('a', LENGTH_MS)).toBe(true);
      expect(await other.take('b', LENGTH_MS)).toBe(false);
    }
  });

  test('has the length of its holder, whatever another process would take it for', async () => {
    const { clock, dead: long, other: short } = machine();
    await long.take('a', 60_000);
    clock.advance(59_999);
    expect(await short.take('b', 3000)).toBe(false);
    clock.advance(1 + STEP_MS);
    expect(await short.take('b', 3000)).toBe(true);
    clock.advance(2999);
    expect(await long.take('a', 60_000)).toBe(false);
    clock.advance(1 + STEP_MS);
    expect(await long.take('a', 60_000)).toBe(true);
  });

  test('does not survive the machine', async () => {
    const { clusterId, dead } = machine();
    await dead.take('a', LENGTH_MS);
    const restarted = new SqliteLease(second, clusterId, () => 5);
    expect(await restarted.holder()).toBeUndefined();
    expect(await restarted.renew('a', LENGTH_MS)).toBe(false);
    expect(await restarted.take('b', LENGTH_MS)).toBe(true);
    expect(await restarted.holder()).toBe('b');
  });

  test('does not survive the machine, however long it was renewed', async () => {
    const { clock, clusterId, dead } = machine();
    await dead.take('a', LENGTH_MS);
    const takenAt = clock.monotonic() / 1000;
    for (let i = 0; i < 10; i++) {
      clock.advance(LENGTH_MS / 2);
      expect(await dead.renew('a', LENGTH_MS)).toBe(true);
    }
    const restarted = new SqliteLease(second, clusterId, () => takenAt + LENGTH_MS / 1000);
    expect(await restarted.take('b', LENGTH_MS)).toBe(true);
  });

  test('never ends early, although the clock counts whole seconds', async () => {
    const clusterId = crypto.randomUUID();
    let seconds = 100; // between 100 and 101
    const lease = new SqliteLease(first, clusterId, () => seconds);
    await lease.take('a', 3000);
    seconds = 103; // perhaps 2 s later
    expect(await lease.take('b', 3000)).toBe(false);
    seconds = 104;
    expect(await lease.take('b', 3000)).toBe(true);
  });

  test('that another process took is seen, by a clock that both read', async () => {
    const clusterId = crypto.randomUUID();
    const file = (path: string) =>
      JSON.stringify(new URL(`../../src/adapters/sqlite/${path}`, import.meta.url).pathname);
    const script = `
      import { SqliteLease } from ${file('lease.ts')};
      import { openSqlite } from ${file('open.ts')};
      const lease = new SqliteLease(openSqlite(${JSON.stringify(directory)}), ${JSON.stringify(clusterId)});
      if (!await lease.take('a', 3_600_000)) throw new Error('not free');
      process.kill(process.pid, 'SIGKILL');`;
    const before = uptime() * 1000;
    const child = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    expect(child).toMatchObject({ signal: 'SIGKILL', stderr: '' });
    const row = first
      .query<{ at: number }, [string]>('SELECT taken_at AS at FROM machine_leases WHERE name = ?')
      .get(clusterId);
    expect(row?.at).toBeWithin(Math.floor(before), uptime() * 1000 + 1);
    const lease = new SqliteLease(first, clusterId);
    expect(await lease.holder()).toBe('a');
    expect(await lease.take('b', LENGTH_MS)).toBe(false);
    expect(await lease.renew('a', LENGTH_MS)).toBe(true);
  });
});
