import { describe, expect, test } from 'bun:test';
import { Refused } from '../../src/admin/actions.ts';
import { findTrunk } from '../../src/sidecar/find-trunk.ts';

const TRUNKS = [
  { carrier: 'Acme', gateway: '4e5a2c6e-9d3b' },
  { carrier: 'Bell', gateway: 'b0c9d1f2-6a47' },
  { carrier: 'Cable', gateway: 'b0c90000-1111' },
  { carrier: 'Cable', gateway: 'ffff0000-1111' },
  { carrier: '4e', gateway: 'aaaa0000-1111' },
];

describe('a trunk', () => {
  test.each([
    ['b0c9d1f2-6a47', 'b0c9d1f2-6a47'],
    ['b0c9d', 'b0c9d1f2-6a47'],
    ['B0C9D', 'b0c9d1f2-6a47'],
    ['f', 'ffff0000-1111'],
    ['bell', 'b0c9d1f2-6a47'],
    ['4e', 'aaaa0000-1111'],
    ['4e5', '4e5a2c6e-9d3b'],
  ])('%s is %s', (text, gateway) => {
    expect(findTrunk(text, TRUNKS)?.gateway).toBe(gateway);
  });

  test.each([['x'], ['Acm'], ['9d3b'], ['b0c9d1f2-6a47-']])('%s is none', (text) => {
    expect(findTrunk(text, TRUNKS)).toBeUndefined();
  });

  test('is not chosen among several; the refusal names some of them', () => {
    expect(() => findTrunk('b0c9', TRUNKS)).toThrow(
      new Refused('b0c9 means 2 trunks: b0c9d1f2-6a47 (Bell), b0c90000-1111 (Cable)'),
    );
    expect(() => findTrunk('cable', TRUNKS)).toThrow(
      'cable means 2 trunks: b0c90000-1111 (Cable), ffff0000-1111 (Cable)',
    );
    const many = Array.from({ length: 1000 }, (_, i) => ({ carrier: 'C', gateway: `a-${i}` }));
    expect(() => findTrunk('a-', many)).toThrow(/^a- means 1000 trunks: (a-\d \(C\), ){4}a-4 \(C\) and others$/);
  });

  test('whose SID is the beginning of another SID is found by it', () => {
    const trunks = [
      { carrier: 'A', gateway: 'g-1' },
      { carrier: 'B', gateway: 'g-10' },
    ];
    expect(findTrunk('g-1', trunks)?.carrier).toBe('A');
  });
});
