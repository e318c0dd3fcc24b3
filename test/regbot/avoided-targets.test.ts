import { describe, expect, test } from 'bun:test';
import { AvoidedTargets } from '../../src/regbot/avoided-targets.ts';
import type { NextHop } from '../../src/sip/next-hop.ts';
import { ManualTimers } from '../support/timers.ts';

const hop = (n: number, changes: Partial<NextHop> = {}): NextHop => ({
  address: `192.0.2.${n}`,
  port: 5060,
  transport: 'udp',
  ...changes,
});
const HOPS = [hop(1), hop(2), hop(3), hop(4)];

function make() {
  const timers = new ManualTimers();
  const targets = new AvoidedTargets(timers);
  const order = (holder?: NextHop) => targets.order(HOPS, holder).map((h) => HOPS.indexOf(h) + 1);
  return { timers, targets, order };
}

describe('the order of targets', () => {
  test('avoided ones come last, in otherwise unchanged order', () => {
    const { targets, order } = make();
    expect(order()).toEqual([1, 2, 3, 4]);
    targets.avoid(hop(3));
    targets.avoid(hop(1));
    expect(order()).toEqual([2, 4, 1, 3]);
  });

  test('the holder of a binding comes first, but when it is avoided after all others that are not', () => {
    const { targets, order } = make();
    expect(order(hop(3))).toEqual([3, 1, 2, 4]);
    targets.avoid(hop(3));
    targets.avoid(hop(2));
    expect(order(hop(3))).toEqual([1, 4, 3, 2]);
  });

  test('a target of another port or transport is another one', () => {
    const { targets, order } = make();
    targets.avoid(hop(1, { port: 5070 }));
    targets.avoid(hop(1, { transport: 'tcp' }));
    expect(order()).toEqual([1, 2, 3, 4]);
  });
});

describe('a target is avoided', () => {
  test.each([
    [undefined, 300],
    [60, 60],
    [3600, 3600],
    [86_400, 3600],
  ])('with Retry-After %p for %p s', (retryAfter, seconds) => {
    const { timers, targets, order } = make();
    targets.avoid(hop(1), retryAfter);
    timers.advance(seconds * 1000 - 1);
    expect(order()).toEqual([2, 3, 4, 1]);
    timers.advance(1);
    expect(order()).toEqual([1, 2, 3, 4]);
  });

  test('as one of a thousand: the one that failed longest ago is forgotten', () => {
    const { targets, order } = make();
    targets.avoid(hop(1));
    targets.avoid(hop(2));
    targets.avoid(hop(1));
    for (let port = 1; port <= 999; port++) targets.avoid(hop(9, { port }));
    expect(order()).toEqual([2, 3, 4, 1]);
  });
});
