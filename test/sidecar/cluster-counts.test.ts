import { describe, expect, test } from 'bun:test';
import { Dependency } from '../../src/lib/dependency.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import type { AorCounts } from '../../src/ports/registration-counts.ts';
import type { ServerPool } from '../../src/ports/server-pool.ts';
import { ClusterCounts, type ClusterFigures } from '../../src/sidecar/cluster-counts.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers } from '../support/timers.ts';

const SERVER = { member: '10.0.0.1:5060', ip: '10.0.0.1' };

const refuse = async (): Promise<never> => {
  throw new Error('not asked');
};
const POOL: ServerPool = {
  checkIn: refuse,
  drain: refuse,
  undrain: refuse,
  expire: refuse,
  featureServers: async () => ({
    servers: [
      { ...SERVER, active: true },
      { ...SERVER, active: false },
      { ...SERVER, active: true },
    ],
    drained: ['10.0.0.2'],
  }),
  rtpServers: async () => 4,
  inKubernetes: refuse,
};

function start() {
  const timers = new ManualTimers();
  const logger = new RecordingLogger();
  let failing = false;
  const store = new Dependency({
    name: 'Redis',
    address: '',
    affects: '',
    probe: async () => {
      if (failing) throw new Unavailable('Redis', 'away');
    },
    timers,
    logger,
  });
  let count: () => Promise<AorCounts> = async () => AORS;
  let asked = 0;
  const counted: ClusterFigures[] = [];
  const counts = new ClusterCounts({
    store,
    registrations: {
      count: () => {
        asked++;
        return count();
      },
    },
    pool: POOL,
    timers,
    logger,
    onCounted: (figures) => counted.push(figures),
  });
  return {
    timers,
    logger,
    store,
    counts,
    counted,
    asked: () => asked,
    answer: (next: () => Promise<AorCounts>) => {
      count = next;
    },
    fail: (fails: boolean) => {
      failing = fails;
    },
  };
}

const AORS: AorCounts = { total: 3, realms: 1, largest: [['a.test', 3]] };
const FIGURES = {
  aors: AORS,
  featureServers: { active: 2, drained: 1 },
  rtpServers: 4,
};

describe('the counts of a cluster', () => {
  test('are read at the start and every 10 s', async () => {
    const { timers, store, counts, counted, asked } = start();
    await store.check();
    counts.start();
    await timers.advanceAsync(0);
    expect(counts.latest).toEqual(FIGURES);
    await timers.advanceAsync(9_999);
    expect(asked()).toBe(1);
    await timers.advanceAsync(1);
    expect(counted).toEqual([FIGURES, FIGURES]);
    counts.stop();
    await timers.advanceAsync(60_000);
    expect(asked()).toBe(2);
  });

  test('are unknown while the store is down, which is not asked then', async () => {
    const { timers, store, counts, asked, fail, logger } = start();
    await store.check();
    store.start();
    counts.start();
    await timers.advanceAsync(0);
    fail(true);
    await timers.advanceAsync(60_000);
    expect(counts.latest).toBeUndefined();
    const before = asked();
    await timers.advanceAsync(60_000);
    expect(asked()).toBe(before);
    fail(false);
    await timers.advanceAsync(11_000);
    expect(counts.latest).toEqual(FIGURES);
    expect(logger.lines.map(({ message }) => message)).toEqual(['Redis does not answer', 'Redis answers again']);
    counts.stop();
    store.stop();
  });

  test('are unknown after a count that failed, until the next', async () => {
    const { timers, store, counts, counted, answer } = start();
    await store.check();
    counts.start();
    await timers.advanceAsync(0);
    answer(async () => {
      throw new Unavailable('Redis', 'not connected');
    });
    await timers.advanceAsync(10_000);
    expect([counts.latest, counted.length]).toEqual([undefined, 1]);
    answer(async () => AORS);
    await timers.advanceAsync(10_000);
    expect(counted).toHaveLength(2);
    counts.stop();
  });

  test('a count under way at the end is not reported, and starts no other', async () => {
    const { timers, store, counts, counted, answer } = start();
    await store.check();
    const slow = Promise.withResolvers<AorCounts>();
    answer(() => slow.promise);
    counts.start();
    counts.stop();
    slow.resolve({ total: 1, realms: 0, largest: [] });
    await timers.advanceAsync(60_000);
    expect(counted).toEqual([]);
    expect(timers.pending).toBe(0);
  });
});
