import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { firstStep, interleave, isServiceDenied, orderServices, type Service } from '../../src/sip/next-hop.ts';

const service = (target: string, priority: number, weight: number): Service => ({
  target,
  priority,
  weight,
  port: 5060,
});
const names = (services: readonly Service[]) => services.map(({ target }) => target).join(' ');

describe('RFC 3263: what to ask for', () => {
  test.each([
    ['192.0.2.1', 5070, 'udp', { kind: 'hop', hop: { address: '192.0.2.1', port: 5070, transport: 'udp' } }],
    ['192.0.2.1', undefined, 'tcp', { kind: 'hop', hop: { address: '192.0.2.1', port: 5060, transport: 'tcp' } }],
    ['2001:db8::1', undefined, 'tls', { kind: 'hop', hop: { address: '2001:db8::1', port: 5061, transport: 'tls' } }],
    ['sip.example.com', 5070, 'udp', { kind: 'addresses', port: 5070 }],
    ['sip.example.com', undefined, 'udp', { kind: 'services', service: '_sip._udp.sip.example.com', port: 5060 }],
    ['sip.example.com', undefined, 'tcp', { kind: 'services', service: '_sip._tcp.sip.example.com', port: 5060 }],
    ['sip.example.com', undefined, 'tls', { kind: 'services', service: '_sips._tcp.sip.example.com', port: 5061 }],
    ['localhost', undefined, 'udp', { kind: 'addresses', port: 5060 }],
    ['localhost', undefined, 'tls', { kind: 'addresses', port: 5061 }],
  ] as const)('%s, port %p, %s', (host, port, transport, step) => {
    expect(firstStep(host, port, transport)).toEqual(step);
  });

  test('a target "." says that there is no such service', () => {
    expect(isServiceDenied([service('.', 0, 0)])).toBe(true);
    expect(isServiceDenied([service('', 0, 0)])).toBe(true);
    expect(isServiceDenied([service('a.test', 0, 0)])).toBe(false);
    expect(isServiceDenied([service('.', 0, 0), service('a.test', 0, 0)])).toBe(false);
    expect(isServiceDenied([])).toBe(false);
  });
});

describe('RFC 2782: the order of SRV records', () => {
  test('the lowest priority first, whatever the weights', () => {
    const records = [service('c', 100, 100), service('a', 9, 0), service('b', 20, 50)];
    expect(names(orderServices(records, () => 0.999))).toBe('a b c');
  });

  test.each([
    // Sum 9, so lots 0 to 9: running sums are zero 0, one 1, three 4, five 9.
    [0, 'zero one three five'],
    [0.1, 'one zero three five'],
    [0.2, 'three one five zero'],
    [0.49, 'three five zero one'],
    [0.5, 'five three one zero'],
    [0.999, 'five three one zero'],
  ])('among equals the lot %p decides', (lot, order) => {
    const records = [service('one', 1, 1), service('three', 1, 3), service('zero', 1, 0), service('five', 1, 5)];
    expect(names(orderServices(records, () => lot))).toBe(order);
  });

  test('chances are as the weights', () => {
    const records = [service('light', 1, 1), service('heavy', 1, 3)];
    const first = Array.from({ length: 1000 }, (_, i) => orderServices(records, () => i / 1000)[0]?.target);
    // Lots are whole numbers from 0 to the sum, 4: 0 and 1 are the light one's.
    expect(first.filter((target) => target === 'light')).toHaveLength(400);
  });

  test('loses none and keeps priorities in order', () => {
    const record = fc.record({
      priority: fc.nat(3),
      weight: fc.nat(65_535),
      port: fc.nat(65_535),
      target: fc.string(),
    });
    fc.assert(
      fc.property(fc.array(record), fc.array(fc.double({ min: 0, max: 0.999_999, noNaN: true })), (records, lots) => {
        let drawn = 0;
        const ordered = orderServices(records, () => lots[drawn++] ?? 0);
        expect(new Set(ordered)).toEqual(new Set(records));
        expect(ordered).toHaveLength(records.length);
        const priorities = ordered.map(({ priority }) => priority);
        expect(priorities).toEqual(priorities.toSorted((a, b) => a - b));
      }),
    );
  });
});

test('lists take turns until both are used up', () => {
  expect(interleave([1, 2, 3], [10])).toEqual([1, 10, 2, 3]);
  expect(interleave([], [10, 20])).toEqual([10, 20]);
});
