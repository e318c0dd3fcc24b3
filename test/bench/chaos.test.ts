import { describe, expect, test } from 'bun:test';
import { Failovers } from '../../bench/chaos/failovers.ts';
import { type Attempt, judge } from '../../bench/chaos/history.ts';
import { CALM_SECONDS, type Fault, scheduleOf } from '../../bench/chaos/schedule.ts';
import { sidecarBinary } from '../support/binary.ts';
import { eventually } from '../support/eventually.ts';
import { startSentinels } from '../support/sentinels.ts';
import { runBenchWithin } from './run-bench.ts';

const RUN_MS = 240_000;
const DEADLINE_MS = 30_000;

test(
  'no registration is lost while everything behind and in front of three sidecars fails',
  async () => {
    const args = ['--smoke', '--json', '--seed', '1', '--binary', await sidecarBinary()];
    const { code, stdout, stderr } = await runBenchWithin(RUN_MS, 'chaos', ...args);
    expect(stderr).toBe('');
    const { figures, faults, schedule } = JSON.parse(stdout);
    expect({ code, faults, lost: figures.lost }).toEqual({ code: 0, faults: [], lost: 0 });
    expect(figures.requests).toBeGreaterThan(0);
    expect(schedule.length).toBeGreaterThan(0);
  },
  RUN_MS + 10_000,
);

describe('the schedule', () => {
  const seeds = Array.from({ length: 50 }, (_, i) => i);
  const end = ({ at, seconds }: Fault) => at + seconds;

  test('is repeated by its seed, and another with another seed', () => {
    expect(scheduleOf(7, 180)).toEqual(scheduleOf(7, 180));
    expect(scheduleOf(7, 180)).not.toEqual(scheduleOf(8, 180));
  });

  test('of three minutes has each kind of fault at each role', () => {
    for (const seed of seeds) {
      const seen = new Set(scheduleOf(seed, 180).map(({ role, kind }) => `${kind} ${role}`));
      expect(seen.size).toBe(18);
    }
  });

  test('disturbs a process, and the group of Redis servers, only once it has recovered', () => {
    const group = ({ role, number }: Fault) => (role.startsWith('Redis') ? 'Redis' : `${role} ${number}`);
    for (const seed of seeds)
      for (const faults of Map.groupBy(scheduleOf(seed, 180), group).values())
        for (const [i, fault] of faults.entries())
          for (const earlier of faults.slice(0, i)) expect(fault.at).toBeGreaterThan(end(earlier));
  });

  test('leaves one sidecar and two sentinels alone, and the last seconds calm', () => {
    for (const seed of seeds) {
      const faults = scheduleOf(seed, 60);
      for (const { at } of faults) {
        const open = faults.filter((fault) => fault.at <= at && at < end(fault)).map(({ role }) => role);
        expect(open.filter((role) => role === 'sidecar').length).toBeLessThan(3);
        expect(open.filter((role) => role === 'sentinel').length).toBeLessThan(2);
      }
      expect(Math.max(...faults.map(end))).toBeLessThanOrEqual(60 - CALM_SECONDS);
    }
  });
});

describe('what is stored', () => {
  const [A, B, C] = ['sip:a@192.0.2.1', 'sip:b@192.0.2.1', 'sip:c@192.0.2.1'];
  let now = 0;
  const attempt = (wanted: string | undefined, granted: boolean): Attempt => {
    now += 10;
    return { wanted, granted, sentAt: now, endedAt: now + 5 };
  };
  const granted = (wanted: string | undefined) => attempt(wanted, true);
  const open = (wanted: string | undefined) => attempt(wanted, false);
  const nothing = undefined;

  test.each<[string, Attempt[], string | undefined, 'kept' | 'lost']>([
    ['nothing, before any 200', [], nothing, 'kept'],
    ['a binding before any 200', [], A, 'lost'],
    ['what the last 200 confirmed', [granted(A), granted(B)], B, 'kept'],
    ['what an earlier 200 confirmed', [granted(A), granted(B)], A, 'lost'],
    ['nothing after a 200', [granted(A)], nothing, 'lost'],
    ['nothing after the 200 of an unregistration', [granted(A), granted(nothing)], nothing, 'kept'],
    ['a binding after the 200 of an unregistration', [granted(A), granted(nothing)], A, 'lost'],
    ['the state before a request without a 200', [granted(A), open(B)], A, 'kept'],
    ['the state after a request without a 200', [granted(A), open(B)], B, 'kept'],
    ['the state after one of several without a 200', [granted(A), open(B), open(nothing)], B, 'kept'],
    ['what a request without a 200 asked for, after a later 200', [open(A), granted(B)], A, 'lost'],
    ['what no request asked for', [granted(A), open(B)], C, 'lost'],
  ])('%s', (_, history, stored, verdict) => {
    expect(judge(history, stored, [])).toBe(verdict);
  });

  test('a 200 that may have come from a primary that lost it is lost by Redis, an earlier one is not', () => {
    const history = [granted(nothing), granted(A), granted(B), open(C)];
    const [, first, last] = history;
    const during = (one: Attempt | undefined) => ({ from: one?.endedAt ?? 0, until: one?.endedAt ?? 0 });
    expect(judge(history, B, [during(last)])).toBe('kept');
    expect(judge(history, A, [during(last)])).toBe('lost by Redis');
    expect(judge(history, nothing, [during(last)])).toBe('lost');
    expect(judge(history, nothing, [during(last), during(first)])).toBe('lost by Redis');
    expect(judge(history, A, [{ from: 0, until: (last?.sentAt ?? 0) - 1 }])).toBe('lost');
    expect(judge(history, A, [{ from: (last?.endedAt ?? 0) + 1, until: Number.POSITIVE_INFINITY }])).toBe('lost');
  });
});

test('a failover is counted, and what the former primary acknowledged after its last replicated write may be lost', async () => {
  const cluster = await startSentinels({ replicas: 2 });
  const [primary] = cluster.servers;
  await using failovers = new Failovers(cluster);
  expect((await failovers.untilWhole(DEADLINE_MS))?.primary).toBe(primary);
  const before = performance.now();
  await primary.kill('SIGKILL');
  const after = performance.now();
  await failovers.untilReplaced(primary, DEADLINE_MS);
  await eventually('a failover', () => failovers.count === 1 || undefined);
  expect(failovers.lossy).toHaveLength(1);
  const [lossy] = failovers.lossy;
  expect(lossy?.from).toBeLessThan(after);
  expect(lossy?.until).toBeGreaterThan(before);
  expect(lossy?.until).toBeLessThan(performance.now());
});
