import { expect, test } from 'bun:test';
import { parseJson } from '../../src/lib/json.ts';

test('a JSON text gives its value', () => {
  expect(parseJson('{"a":[1,null]}')).toEqual({ a: [1, null] });
  expect(parseJson('null')).toBeNull();
});

test.each(['', '{', "{'a':1}", 'undefined'])('%p gives undefined', (text) => {
  expect(parseJson(text)).toBeUndefined();
});
