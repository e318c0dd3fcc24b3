import { expect, test } from 'bun:test';
import { type Plot, svg } from '../../bench/lib/plot.ts';

const PLOT: Plot = {
  title: 'Answered & offered',
  subtitle: 'of <all>',
  x: { label: 'offered', scale: 'log', ticks: [100, 1000, 10_000] },
  y: { label: 'answered', scale: 'linear', ticks: [0, 50, 100] },
  series: [
    {
      name: 'one',
      points: [
        { x: 100, y: 0 },
        { x: 1000, y: 50, low: 40, high: 60 },
        { x: 10_000, y: 100, isRing: true },
      ],
    },
    { name: 'other', points: [{ x: 10_000, y: 99 }] },
  ],
  reference: { name: 'all', points: [{ x: 10_000, y: 100 }] },
};

const text = svg(PLOT);

/** The centres of the markers of a series. */
function markers(series: number) {
  return [...text.matchAll(new RegExp(`<circle class="s${series} (\\w+)" cx="([\\d.]+)" cy="([\\d.]+)"`, 'g'))].map(
    ([, kind, x, y]) => ({ kind, x: Number(x), y: Number(y) }),
  );
}

test('points lie between the first tick and the last, by the scale of each axis', () => {
  const [first, middle, last] = markers(0);
  expect(first?.x).toBeLessThan(last?.x ?? 0);
  expect(first?.y).toBeGreaterThan(last?.y ?? 0);
  expect(middle?.x).toBeCloseTo(((first?.x ?? 0) + (last?.x ?? 0)) / 2, 0);
  expect(middle?.y).toBeCloseTo(((first?.y ?? 0) + (last?.y ?? 0)) / 2, 0);
});

test('a point that differs is a ring', () => {
  expect(markers(0).map(({ kind }) => kind)).toEqual(['fill', 'fill', 'ring']);
});

test('names beside their last points do not cover each other', () => {
  const heights = ['one', 'other', 'all']
    .map((name) => Number(new RegExp(`y="([\\d.]+)" [^>]*>${name}<`).exec(text)?.[1]))
    .sort((a, b) => a - b);
  const gaps = heights.slice(1).map((y, i) => y - (heights[i] ?? 0));
  for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(16.9);
});

test('texts are escaped, and both axes are labelled', () => {
  expect(text).toContain('Answered &amp; offered');
  expect(text).toContain('of &lt;all&gt;');
  expect(text).toContain('>offered</text>');
  expect(text).toContain('>answered</text>');
});
