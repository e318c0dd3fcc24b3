import { expect, test } from 'bun:test';
import { PARTS } from '../../bench/parts/index.ts';
import { Counts } from '../../bench/register/counts.ts';
import { withResults } from '../../bench/report/readme.ts';
import { type Figures, figuresOf, type Result, type Row, readResults } from '../../bench/report/results.ts';
import { table } from '../../bench/report/table.ts';
import { targets } from '../../bench/report/targets.ts';

const BENCH = new URL('../../bench/', import.meta.url).pathname;

function figures(cpuMs: number, perSecond: number, besideMs?: number): Figures {
  const same = (value: number) => ({ median: value, min: value, max: value });
  return {
    runs: { counting: 5, all: 5 },
    flaws: [],
    unitsPerSecond: same(perSecond),
    p50Ms: same(1),
    p99Ms: same(2),
    cpuMsPerUnit: {
      program: same(cpuMs),
      ...(besideMs !== undefined && { MariaDB: same(besideMs) }),
      generator: same(9),
    },
    maxRssMb: { program: same(70) },
  };
}

function result(part: string, rows: readonly Row[]): Result {
  return { part, title: part, date: '2026-11-27T06:00', machine: 'this', versions: {}, settings: {}, rows };
}

const registered = { work: 'full', rate: 1000, users: 1000 } as const;

test('a target compares two programs of one part, with the servers beside them', () => {
  const register = result('register', [
    { side: 'sidecar, SQLite', ...registered, figures: figures(0.4, 1000) },
    { side: 'Kamailio, in memory', ...registered, figures: figures(0.1, 1000) },
    { side: 'Kamailio, MariaDB', ...registered, figures: figures(0.5, 1000, 0.5) },
  ]);
  const lines = targets([register]).split('\n');
  expect(lines.find((line) => line.includes('Kamailio with MariaDB') && line.includes('CPU'))).toMatch(
    / 0\.4 \| +met \|$/,
  );
  expect(lines.find((line) => line.includes('Kamailio in memory'))).toMatch(/ 4 \| +missed \|$/);
  expect(lines.find((line) => line.includes('Redis'))).toMatch(/ – \| +not measured \|$/);
});

test('a program that is not installed has a row that says how to install it', () => {
  const missing = 'not installed: apt install kamailio';
  expect(table([result('register', [{ side: 'Kamailio, in memory', ...registered, missing }])])).toContain(missing);
});

test('of the rising rates the highest without a flaw is shown', () => {
  const row = (rate: number, flaws: string[]): Row => ({
    side: 'sidecar, SQLite',
    ...registered,
    rate,
    figures: { ...figures(0.4, rate), flaws },
  });
  const shown = table([result('load', [row(500, []), row(1000, []), row(2000, ['9 % unanswered'])])]);
  expect(shown).toContain('up to 1 000/s');
  expect(shown).not.toContain('2 000/s');
});

test('a run that does not count is not in the figures, unless none does', () => {
  const run = (done: number, unanswered: number) => {
    const counts = new Counts();
    counts.started = done + unanswered;
    counts.done = done;
    counts.doneInTime = done;
    counts.unanswered = unanswered;
    return { counts, seconds: 1, usage: [] };
  };
  expect(figuresOf([run(100, 0), run(50, 50)])).toMatchObject({
    runs: { counting: 1, all: 2 },
    flaws: ['50.00 % unanswered'],
    unitsPerSecond: { median: 100 },
  });
  expect(figuresOf([run(50, 50)])).toMatchObject({ runs: { counting: 0, all: 1 }, unitsPerSecond: { median: 50 } });
});

test('the tables of bench/README.md are those of bench/results', async () => {
  const page = await Bun.file(`${BENCH}README.md`).text();
  const results = await readResults(
    `${BENCH}results`,
    PARTS.map(({ name }) => name),
  );
  expect(results.length).toBeGreaterThan(0);
  expect(withResults(page, results)).toBe(page);
});
