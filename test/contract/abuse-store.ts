import { describe, expect, test } from 'bun:test';
import type { AbuseReport, AbuseStore, Ban, Offences } from '../../src/ports/abuse-store.ts';
import type { ManualTimers } from '../support/timers.ts';

export const POLICY = { banThreshold: 250, banSeconds: 300, banSet: '' };

const NOTHING: AbuseReport = {
  offences: new Map(),
  pardoned: new Set(),
  wrongAnswers: new Map(),
  spentNonces: new Map(),
};

function report(parts: Partial<AbuseReport>): AbuseReport {
  return { ...NOTHING, ...parts };
}

/** Points of one source. */
export function points(source: string, count: number, address = source): AbuseReport {
  return report({ offences: new Map<string, Offences>([[source, { points: count, address }]]) });
}

let sources = 0;

function newSource(): string {
  sources++;
  return `198.18.${sources >> 8}.${sources & 255}`;
}

/** @param isSpent whether the store accepts a nonce no more */
export function abuseStoreContract(
  name: string,
  store: AbuseStore,
  timers: ManualTimers,
  isSpent: (nonceId: string) => Promise<boolean>,
): void {
  describe(`abuse store on ${name}`, () => {
    const banOf = async (source: string): Promise<Ban | undefined> =>
      (await store.exchange(NOTHING)).bans.find((ban) => ban.source === source);
    const scoreOf = async (source: string) => (await store.exchange(NOTHING)).scores.get(source);

    test('a score grows with each report, and halves every 30 s', async () => {
      const source = newSource();
      await store.exchange(points(source, 100));
      const { scores } = await store.exchange(points(source, 60));
      expect(scores.get(source)).toBeCloseTo(160, 3);
      timers.advance(30_000);
      expect(await scoreOf(source)).toBeCloseTo(80, 3);
      timers.advance(15_000);
      expect(await scoreOf(source)).toBeCloseTo(80 / Math.SQRT2, 3);
    });

    test('a source is banned when its score reaches the threshold, and its score is void', async () => {
      const source = newSource();
      await store.exchange(points(source, 249));
      expect(await banOf(source)).toBeUndefined();
      const { bans, scores } = await store.exchange(points(source, 1));
      expect(bans).toContainEqual({ source, until: timers.now() + 300_000 });
      expect(scores.has(source)).toBe(false);
    });

    test('what a banned source does counts no more, and the ban ends', async () => {
      const source = newSource();
      await store.exchange(points(source, 250));
      const until = timers.now() + 300_000;
      timers.advance(100_000);
      await store.exchange(points(source, 1000));
      expect(await banOf(source)).toEqual({ source, until });
      timers.advance(200_000);
      expect(await banOf(source)).toBeUndefined();
      expect(await scoreOf(source)).toBeUndefined();
    });

    test('each ban within an hour is twice as long, up to an hour', async () => {
      const source = newSource();
      for (const seconds of [300, 600, 1200, 2400, 3600, 3600]) {
        await store.exchange(points(source, 250));
        expect(await banOf(source)).toEqual({ source, until: timers.now() + seconds * 1000 });
        timers.advance(seconds * 1000);
        expect(await banOf(source)).toBeUndefined();
      }
      timers.advance(3_600_000);
      await store.exchange(points(source, 250));
      expect(await banOf(source)).toEqual({ source, until: timers.now() + 300_000 });
    });

    test('a pardon resets the score, and what came after it counts', async () => {
      const source = newSource();
      await store.exchange(points(source, 200));
      const { scores } = await store.exchange({ ...points(source, 40), pardoned: new Set([source]) });
      expect(scores.get(source)).toBeCloseTo(40, 3);
    });

    test('a pardon lifts no ban', async () => {
      const source = newSource();
      await store.exchange(points(source, 250));
      await store.exchange(report({ pardoned: new Set([source]) }));
      expect(await banOf(source)).toBeDefined();
    });

    test('wrong answers are counted by the minute', async () => {
      timers.advance(60_000 - (timers.now() % 60_000));
      const aor = `${crypto.randomUUID()}@example.com`;
      const wrong = (count: number) => store.exchange(report({ wrongAnswers: new Map([[aor, count]]) }));
      await wrong(3);
      timers.advance(59_999);
      expect((await wrong(4)).wrongAnswers.get(aor)).toBe(7);
      timers.advance(1);
      expect((await store.exchange(NOTHING)).wrongAnswers.has(aor)).toBe(false);
      expect((await wrong(1)).wrongAnswers.get(aor)).toBe(1);
    });

    test('a spent nonce is accepted no more', async () => {
      const id = crypto.randomUUID();
      expect(await isSpent(id)).toBe(false);
      await store.exchange(report({ spentNonces: new Map([[id, timers.now() + 300_000]]) }));
      expect(await isSpent(id)).toBe(true);
    });

    test('lifts one ban, with its memory, or all', async () => {
      const [one, two, three] = [newSource(), newSource(), newSource()];
      for (const source of [one, two, three]) await store.exchange(points(source, 250));
      expect(await store.clear(one)).toEqual([one]);
      expect(await store.clear(one)).toEqual([]);
      expect(await banOf(one)).toBeUndefined();
      expect(await banOf(two)).toBeDefined();
      await store.exchange(points(one, 250));
      expect(await banOf(one)).toEqual({ source: one, until: timers.now() + 300_000 });
      expect(await store.clear()).toEqual(expect.arrayContaining([one, two, three]));
      expect((await store.exchange(NOTHING)).bans).toEqual([]);
    });

    test('keeps the highest 10 000 scores', async () => {
      await store.clear();
      const many = Array.from(
        { length: 10_001 },
        (_, i) => [`2001:db8:${i.toString(16)}::/64`, { points: 1 + i / 100, address: '::1' }] as const,
      );
      await store.exchange(report({ offences: new Map(many) }));
      const { scores } = await store.exchange(points('2001:db8:ffff::/64', 100));
      expect(scores.get('2001:db8:2710::/64')).toBeCloseTo(101, 3);
      expect(scores.size).toBeLessThanOrEqual(10_000);
      await store.clear();
    });
  });
}
