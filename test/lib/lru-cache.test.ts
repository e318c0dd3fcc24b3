import { expect, test } from 'bun:test';
import { LruCache } from '../../src/lib/lru-cache.ts';

test('the value used longest ago is forgotten, and reading counts as use', () => {
  const cache = new LruCache<number>(2);
  cache.set('a', 1).set('b', 2);
  cache.get('a');
  cache.set('c', 3);
  expect([...cache.keys()]).toEqual(['c', 'a']);
});

test('setting a value again forgets no other', () => {
  const cache = new LruCache<number>(2);
  cache.set('a', 1).set('b', 2).set('b', 3);
  expect([cache.get('a'), cache.get('b')]).toEqual([1, 3]);
});

test('an empty cache reserves no room for its entries', () => {
  const cache = new LruCache<number>(2 ** 40);
  cache.set('a', 1);
  expect(cache.size).toBe(1);
});
