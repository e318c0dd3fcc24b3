import { describe, expect, test } from 'bun:test';
import { AdminConnection } from '../../src/admin/client.ts';
import { AdminError } from '../../src/admin/errors.ts';
import type { FeatureServerRow } from '../../src/admin/protocol.ts';
import { Emptying, type Standing } from '../../src/commands/fs/emptying.ts';
import { untilEmpty } from '../../src/commands/fs/wait.ts';
import { AdminPeer, serverList } from '../support/admin-peer.ts';
import { ended, run, runOnTerminal, start } from './cli.ts';

const DRAINED = { success: true, action: 'drain', server: '10.0.0.1', drained: ['10.0.0.1'] };
const drained = (calls: number | null, lastCheckIn: number | null, server = '10.0.0.1:5060') =>
  ({ server, status: 'drained', calls, lastCheckIn }) as const;

/** A peer whose server goes through these states, one at each look; the last one stays. */
function through(...looks: ReturnType<typeof serverList>[]) {
  let look = 0;
  return ({ action }: Record<string, unknown>) =>
    action === 'fs-drain' ? DRAINED : looks[Math.min(look++, looks.length - 1)];
}

describe('a drained server', () => {
  const looks = (emptying: Emptying, ...rows: readonly Partial<FeatureServerRow>[]) =>
    emptying.look(serverList(...rows), false);

  test('is empty when it says so after the drain, not by what it said before', () => {
    const emptying = new Emptying('10.0.0.1');
    expect(looks(emptying, drained(0, 1000))).toEqual({ state: 'busy', calls: 0 });
    expect(looks(emptying, drained(0, 1000))).toEqual({ state: 'busy', calls: 0 });
    expect(looks(emptying, drained(2, 2000))).toEqual({ state: 'busy', calls: 2 });
    expect(looks(emptying, drained(null, 3000))).toEqual({ state: 'busy', calls: null });
    expect(looks(emptying, drained(0, 4000))).toEqual({ state: 'empty' });
  });

  test('is empty when all of its members are, and other servers are of no concern', () => {
    const emptying = new Emptying('10.0.0.1');
    const other = { server: '10.0.0.10:5060', status: 'active', calls: 7 } as const;
    const second = '10.0.0.1:5070';
    expect(looks(emptying, drained(1, 1), drained(2, 1, second), other)).toEqual({ state: 'busy', calls: 3 });
    expect(looks(emptying, drained(0, 2), drained(0, 1, second), other)).toEqual({ state: 'busy', calls: 0 });
    expect(looks(emptying, drained(0, 2), drained(0, 2, second), other)).toEqual({ state: 'empty' });
  });

  test('IPv6, with and without brackets', () => {
    expect(looks(new Emptying('2001:db8::1'), drained(4, 1, '[2001:db8::1]:5060'))).toEqual({
      state: 'busy',
      calls: 4,
    });
    expect(looks(new Emptying('[2001:db8::1]:5060'), drained(4, 1, '[2001:db8::1]:5060'))).toMatchObject({ calls: 4 });
  });

  test('is not waited for when it does not check in, or no more, or takes calls again', () => {
    const orphan = { server: '10.0.0.1', status: 'orphaned', calls: null, lastCheckIn: null } as const;
    expect(looks(new Emptying('10.0.0.1'), orphan)).toEqual({ state: 'silent', before: false });
    const emptying = new Emptying('10.0.0.1');
    looks(emptying, drained(1, 1));
    expect(looks(emptying, orphan)).toEqual({ state: 'silent', before: true });
    expect(looks(emptying, { status: 'active' })).toEqual({ state: 'undrained' });
  });

  test('is given time to check in again after a restart of the sidecar', () => {
    const emptying = new Emptying('10.0.0.1');
    looks(emptying, drained(1, 1));
    expect(emptying.look(serverList(), true)).toEqual({ state: 'busy', calls: null });
    expect(emptying.look(serverList(), false)).toEqual({ state: 'silent', before: true });
  });
});

describe('the wait', () => {
  /** With a clock that moves by its own pauses only, so that minutes take no time. */
  async function wait(peer: AdminPeer, timeoutMs: number, atPause: (second: number) => unknown = () => {}) {
    const connection = new AdminConnection({ socketPath: peer.path });
    await connection.ask('fs-drain', { server: '10.0.0.1' });
    let time = 0;
    const seen: (Standing | AdminError)[] = [];
    const end = await untilEmpty({
      connection,
      server: '10.0.0.1',
      timeoutMs,
      progress: async (standing) => seen.push(standing),
      now: () => time,
      pause: async (ms) => {
        time += ms;
        await atPause(time / 1000);
      },
    });
    connection.close();
    return { end, seen, time };
  }

  test('ends with the time, and says what was left', async () => {
    const peer = await AdminPeer.start(through(serverList(drained(3, 1))));
    const { end, seen, time } = await wait(peer, 90_500);
    expect({ end, time, looks: seen.length }).toEqual({
      end: { state: 'timed out', calls: 3 },
      time: 90_500,
      looks: 91,
    });
  });

  test('outlives a restart of the sidecar, which has forgotten the server', async () => {
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

  test('gives up on a server that a restarted sidecar has not seen for a minute', async () => {
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

  test('on a terminal: one line that is written over', async () => {
    const peer = await AdminPeer.start(emptying());
    const { code, stdout } = await runOnTerminal(peer.path, ARGS);
    expect(code).toBe(0);
    expect(stdout).toBe(`${HEAD}\r\x1b[KWaiting for 10.0.0.1: 2 calls left\n10.0.0.1 has no calls left`);
  });

  test('time over: exit 3; --json is one document', async () => {
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

  test('undrained meanwhile: exit 1', async () => {
    const peer = await AdminPeer.start(through(serverList({ status: 'active' })));
    const { code, stderr } = await run(peer.path, ARGS);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '10.0.0.1 was undrained meanwhile: it takes calls again' });
  });

  test('the sidecar goes away and stays away: exit 3 when the time is over', async () => {
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
