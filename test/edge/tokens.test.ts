import { expect, test } from 'bun:test';
import { cseqNumbers } from '../../src/edge/tokens.ts';

test('CSeq numbers increase within a second and when the clock is set back', () => {
  let now = Date.UTC(2026, 0, 1);
  const next = cseqNumbers(() => now);
  const first = next();
  expect([next(), next()]).toEqual([first + 1, first + 2]);
  now -= 60_000;
  expect(next()).toBe(first + 3);
});

test('CSeq numbers of a later process are greater, and below 2**31 (RFC 3261 8.1.1.5)', () => {
  const first = cseqNumbers(() => Date.UTC(2026, 0, 1))();
  expect(cseqNumbers(() => Date.UTC(2026, 0, 2))()).toBeGreaterThan(first);
  expect(cseqNumbers(() => Date.UTC(2087, 0, 1))()).toBeLessThan(2 ** 31);
});
