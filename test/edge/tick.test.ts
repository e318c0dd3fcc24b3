import { describe, expect, test } from 'bun:test';
import { Batch, joined } from '../../src/edge/tick.ts';
import { settle } from '../support/timers.ts';

describe('a batch', () => {
  test('is flushed once per turn of the event loop, in order', async () => {
    const flushed: number[][] = [];
    const batch = new Batch<number>((items) => flushed.push(items));
    batch.add(1);
    batch.add(2);
    expect(flushed).toEqual([]);
    await settle();
    batch.add(3);
    await settle();
    expect(flushed).toEqual([[1, 2], [3]]);
  });

  test('that was flushed early is not flushed again without items', async () => {
    const flushed: number[][] = [];
    const batch = new Batch<number>((items) => flushed.push(items));
    batch.flushNow();
    batch.add(1);
    batch.flushNow();
    await settle();
    expect(flushed).toEqual([[1]]);
  });

  test('flushes what is added during a flush in the next turn', async () => {
    const flushed: number[][] = [];
    const batch = new Batch<number>((items) => {
      flushed.push([...items]);
      if (flushed.length === 1) batch.add(2);
    });
    batch.add(1);
    await settle();
    await settle();
    expect(flushed).toEqual([[1], [2]]);
  });
});

test('text and bytes are joined byte by byte', () => {
  const latin1 = Buffer.from([0xe9]);
  expect(joined(['é', 'a'])).toBe('éa');
  expect(Buffer.from(joined(['é', latin1, 'a']))).toEqual(Buffer.from([0xc3, 0xa9, 0xe9, 0x61]));
});
