import { describe, expect, test } from 'bun:test';
import { AdminClient } from '../../src/admin/client.ts';
import { AdminError } from '../../src/admin/errors.ts';
import type { FeatureServerRow } from '../../src/admin/protocol.ts';
import { type DrainState, DrainTracker } from '../../src/commands/fs/drain-tracker.ts';
import { waitUntilEmpty } from '../../src/commands/fs/wait.ts';
import { AdminPeer, serverList } from '../support/admin-peer.ts';
import { ended, run, runOnTerminal, start } from './cli.ts';

const DRAINED = { success: true, action: 'drain', server: '10.0.0.1', drained: ['10.0.0.1'] };
const drained = (calls: number | null, lastCheckIn: number | null, server = '10.0.0.1:5060') =>
  ({ server, status: 'drained', calls, lastCheckIn }) as const;

/** Answers each fs-list with the next of these lists, then repeats the last. */
function through(...lists: ReturnType<typeof serverList>[]) {
  let next = 0;
  return ({ action }: Record<string, unknown>) =>
    action === 'fs-drain' ? DRAINED : lists[Math.min(next++, lists.length - 1)];
}

describe('a drained server', () => {
  const update = (tracker: DrainTracker, ...rows: readonly Partial<FeatureServerRow>[]) =>
    tracker.update(serverList(...rows), false);

  test('is empty by a check-in after the drain, not by an earlier one', () => {
    const tracker = new DrainTracker('10.0.0.1');
    expect(update(tracker, drained(0, 1000))).toEqual({ state: 'busy', calls: 0 });
    expect(update(tracker, drained(0, 1000))).toEqual({ state: 'busy', calls: 0 });
    expect(update(tracker, drained(2, 2000))).toEqual({ state: 'busy', calls: 2 });
    expect(update(tracker, drained(null, 3000))).toEqual({ state: 'busy', calls: null });
    expect(update(tracker, drained(0, 4000))).toEqual({ state: 'empty' });
  });

  test('is empty when all of its members are, whatever other servers do', () => {
    const tracker = new DrainTracker('10.0.0.1');
    const other = { server: '10.0.0.10:5060', status: 'active', calls: 7 } as const;
    const second = '10.0.0.1:5070';
    expect(update(tracker, drained(1, 1), drained(2, 1, second), other)).toEqual({ state: 'busy', calls: 3 });
    expect(update(tracker, drained(0, 2), drained(0, 1, second), other)).toEqual({ state: 'busy', calls: 0 });
    expect(update(tracker, drained(0, 2), drained(0, 2, second), other)).toEqual({ state: 'empty' });
  });

  test('IPv6, with and without brackets', () => {
    expect(update(new DrainTracker('2001:db8::1'), drained(4, 1, '[2001:db8::1]:5060'))).toEqual({
      state: 'busy',
      calls: 4,
    });
    expect(update(new DrainTracker('[2001:db8::1]:5060'), drained(4, 1, '[2001:db8::1]:5060'))).toMatchObject({
      calls: 4,
    });
  });

  test('ends the wait when it does not check in, stops checking in, or accepts calls again', () => {
    const orphan = { server: '10.0.0.1', status: 'orphaned', calls: null, lastCheckIn: null } as const;
    expect(update(new DrainTracker('10.0.0.1'), orphan)).toEqual({ state: 'silent', before: false });
    const tracker = new DrainTracker('10.0.0.1');
    update(tracker, drained(1, 1));
    expect(update(tracker, orphan)).toEqual({ state: 'silent', before: true });
    expect(update(tracker, { status: 'active' })).toEqual({ state: 'undrained' });
  });

  test('may check in again after a restart of the sidecar', () => {
    const tracker = new DrainTracker('10.0.0.1');
    update(tracker, drained(1, 1));
    expect(tracker.update(serverList(), true)).toEqual({ state: 'busy', calls: null });
    expect(tracker.update(serverList(), false)).toEqual({ state: 'silent', before: true });
  });
});

describe('the wait', () => {
  /** Runs with a clock that only pauses advance. */
  async function wait(peer: AdminPeer, timeoutMs: number, atPause: (second: number) => unknown = () => {}) {
    const client = new AdminClient({ socketPath: peer.path });
    await client.request('fs-drain', { server: '10.0.0.1' });
    let time = 0;
    const seen: (DrainState | AdminError)[] = [];
    const end = await waitUntilEmpty({
      client,
      server: '10.0.0.1',
      timeoutMs,
      progress: async (current) => seen.push(current),
      now: () => time,
      pause: async (ms) => {
        time += ms;
        await atPause(time / 1000);
      },
    });
    client.close();
    return { end, seen, time };
  }

  test('times out, with the number of calls left', async () => {
    const peer = await AdminPeer.start(through(serverList(drained(3, 1))));
    const { end, seen, time } = await wait(peer, 90_500);
    expect({ end, time, looks: seen.length }).toEqual({
      end: { state: 'timed out', calls: 3 },
      time: 90_500,
      looks: 91,
    });
  });

  test('continues after a restart of the sidecar, before the server checks in again', async () => {
    const peer = await AdminPeer.start(
      through(serverList(drained(3, 1)), serverList(), serverList(), serverList(drained(0, 2))),
    );
    const { end, seen } = await wait(peer, 60_000, async (second) => {
      if (second === 1) peer.stop();
      if (second === 4) await peer.start();
    });
    expect(end).toEqual({ state: 'empty' });
    expect(seen.filter((s) => s instanceof AdminError)).toHaveLength(3);
  });

  test('ends when the server has not checked in within a minute of a restart of the sidecar', async () => {
    const peer = await AdminPeer.start(through(serverList(drained(3, 1)), serverList()));
    const { end, time } = await wait(peer, 600_000, async (second) => {
      if (second !== 1) return;
      peer.stop();
      await peer.start();
    });
    expect(end).toEqual({ state: 'silent', before: true });
    expect(time).toBeWithin(60_000, 65_000);
  });
});

describe('fs drain --wait', () => {
  const emptying = () => through(serverList(drained(2, 1)), serverList(drained(0, 2)));
  const ARGS = ['fs', 'drain', '10.0.0.1', '--wait'];
  const HEAD = '✓ Drained 10.0.0.1\nDrained servers: [10.0.0.1]\n';

  test('in a pipe: a line for each change', async () => {
    const peer = await AdminPeer.start(emptying());
    expect(await run(peer.path, ARGS)).toEqual({
      code: 0,
      stdout: `${HEAD}Waiting for 10.0.0.1: 2 calls left\n10.0.0.1 has no calls left`,
      stderr: '',
    });
  });

  test('on a terminal: one line that is overwritten', async () => {
    const peer = await AdminPeer.start(emptying());
    const { code, stdout } = await runOnTerminal(peer.path, ARGS);
    expect(code).toBe(0);
    expect(stdout).toBe(`${HEAD}\r\x1b[KWaiting for 10.0.0.1: 2 calls left\n10.0.0.1 has no calls left`);
  });

  test('time-out: exit 3; --json is one document', async () => {
    const peer = await AdminPeer.start(through(serverList(drained(null, 1))));
    const { code, stderr } = await run(peer.path, [...ARGS, '--timeout', '1']);
    expect(code).toBe(3);
    expect(stderr).toBe('10.0.0.1 is still drained, but the wait timed out after 1 s: number of calls unknown');
    const json = await run(peer.path, [...ARGS, '--timeout=1s', '--json']);
    expect(json).toMatchObject({ code: 3, stderr: '' });
    expect(JSON.parse(json.stdout)).toEqual({ ...DRAINED, success: false, wait: { state: 'timed out', calls: null } });
  });

  test('a server that is not checking in: exit 0 at once', async () => {
    const orphan = { server: '10.0.0.1', status: 'orphaned', calls: null, lastCheckIn: null } as const;
    const peer = await AdminPeer.start(through(serverList(orphan)));
    expect(await run(peer.path, ARGS)).toEqual({
      code: 0,
      stdout: `${HEAD}10.0.0.1 is not checking in: nothing to wait for`,
      stderr: '',
    });
  });

  test('undrained in the meantime: exit 1', async () => {
    const peer = await AdminPeer.start(through(serverList({ status: 'active' })));
    const { code, stderr } = await run(peer.path, ARGS);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '10.0.0.1 was undrained meanwhile: it takes calls again' });
  });

  test('the sidecar stops for good: exit 3 at the time-out', async () => {
    const peer = await AdminPeer.start(through(serverList(drained(1, 1))));
    const command = await start(peer.path, [...ARGS, '--timeout', '2s']);
    await command.line(/1 call left/, 30_000);
    peer.stop();
    const { code, stdout, stderr } = await ended(command);
    expect(code).toBe(3);
    expect(stdout).toContain('no sidecar at');
    expect(stderr).toContain('1 call left');
  });
});
