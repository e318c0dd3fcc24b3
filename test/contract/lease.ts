import { describe, expect, test } from 'bun:test';
import type { Lease } from '../../src/ports/lease.ts';

export interface LeaseBench {
  /** Opens the same lease as another process would. */
  readonly open: () => Lease;
  /** Resolves once the lease has expired. */
  readonly expire: () => Promise<void>;
  /** Deletes all data of the store. */
  readonly flush: () => Promise<unknown>;
}

const LENGTH_MS = 30_000;

/** @param make creates a lease that has never been held */
export function leaseContract(name: string, make: (clusterId: string) => LeaseBench): void {
  describe(`lease on ${name}`, () => {
    const start = () => {
      const clusterId = `c${crypto.randomUUID()}`;
      const bench = make(clusterId);
      return { ...bench, clusterId, lease: bench.open() };
    };

    test('has one holder at a time', async () => {
      const { lease, open } = start();
      expect(await lease.holder()).toBeUndefined();
      expect(await lease.take('a', LENGTH_MS)).toBe(true);
      const other = open();
      expect(await other.take('b', LENGTH_MS)).toBe(false);
      expect(await other.renew('b', LENGTH_MS)).toBe(false);
      await other.release('b');
      expect(await other.holder()).toBe('a');
      expect(await lease.renew('a', LENGTH_MS)).toBe(true);
    });

    test('exactly one of many concurrent attempts takes it', async () => {
      const { open } = start();
      const racers = Array.from({ length: 20 }, (_, i) => ({ token: `t${i}`, lease: open() }));
      const taken = await Promise.all(racers.map(({ token, lease }) => lease.take(token, LENGTH_MS)));
      expect(taken.filter(Boolean)).toHaveLength(1);
      const winner = racers[taken.indexOf(true)];
      expect(await winner?.lease.holder()).toBe(winner?.token as string);
    });

    test('can be taken again as soon as it is released', async () => {
      const { lease, open } = start();
      await lease.take('a', LENGTH_MS);
      await lease.release('a');
      expect(await lease.holder()).toBeUndefined();
      expect(await lease.renew('a', LENGTH_MS)).toBe(false);
      expect(await open().take('b', LENGTH_MS)).toBe(true);
    });

    test('expires unless renewed, and the former holder cannot renew it', async () => {
      const { lease, open, expire } = start();
      await lease.take('a', 50);
      await expire();
      expect(await lease.holder()).toBeUndefined();
      expect(await lease.renew('a', LENGTH_MS)).toBe(false);
      expect(await open().take('b', LENGTH_MS)).toBe(true);
      expect(await lease.renew('a', LENGTH_MS)).toBe(false);
      await lease.release('a');
      expect(await lease.holder()).toBe('b');
    });

    test('is free again after the store has lost its data', async () => {
      const { lease, open, flush } = start();
      await lease.take('a', LENGTH_MS);
      await flush();
      expect(await lease.renew('a', LENGTH_MS)).toBe(false);
      expect(await open().take('b', LENGTH_MS)).toBe(true);
    });

    test('each cluster has its own', async () => {
      const [one, other] = [start(), start()];
      expect(await one.lease.take('a', LENGTH_MS)).toBe(true);
      expect(await other.lease.take('b', LENGTH_MS)).toBe(true);
      await other.lease.release('a');
      expect(await one.lease.holder()).toBe('a');
    });
  });
}
