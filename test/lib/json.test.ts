import { expect, test } from 'bun:test';
import { nestsDeeperThan, parseJson } from '../../src/lib/json.ts';

test('a JSON text gives its value', () => {
  expect(parseJson('{"a":[1,null]}')).toEqual({ a: [1, null] });
  expect(parseJson('null')).toBeNull();
});

test.each(['', '{', "{'a':1}", 'undefined'])('%p gives undefined', (text) => {
  expect(parseJson(text)).toBeUndefined();
});

test.each([
  ['1', 0],
  ['"[[["', 0],
  ['[]', 1],
  ['{"a":{"b":[]},"c":1}', 3],
  ['[[],[[]]]', 3],
])('%p nests %d levels deep', (text, levels) => {
  const value = parseJson(text);
  expect(nestsDeeperThan(value, levels)).toBe(false);
  if (levels > 0) expect(nestsDeeperThan(value, levels - 1)).toBe(true);
});

test('JSON that nests without measure is refused at once', () => {
  expect(nestsDeeperThan(parseJson(`${'['.repeat(30_000)}${']'.repeat(30_000)}`), 100)).toBe(true);
});
