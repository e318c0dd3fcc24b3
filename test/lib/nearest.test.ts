import { expect, test } from 'bun:test';
import { didYouMean, nearest } from '../../src/lib/nearest.ts';

const COMMANDS = ['list', 'watch', 'drain', 'undrain', 'drained', 'active'];

test.each([
  ['drian', 'drain'],
  ['DRAIN', 'drain'],
  ['drai', 'drain'],
  ['undr', 'undrain'],
  ['actve', 'active'],
  ['lits', 'list'],
])('%s is near %s', (word, candidate) => {
  expect(nearest(word, COMMANDS)).toBe(candidate);
});

test.each([[''], ['d'], ['bogus'], ['reload'], ['drain'.repeat(1000)]])('%.20s is near none', (word) => {
  expect(nearest(word, COMMANDS)).toBeUndefined();
  expect(didYouMean(word, COMMANDS)).toBe('');
});
