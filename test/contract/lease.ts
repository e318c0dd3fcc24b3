import { describe, expect, test } from 'bun:test';
import type { Lease } from '../../src/ports/lease.ts';

export interface LeaseBench {
  /** A view of one and the same lease, as another process would have it. */
  readonly open: () => Lease;
  /** Lets the lease's time pass, whatever it was. Resolves when it has. */
  readonly expire: () => Promise<void>;
  /** The store loses all it held. */
  readonly flush: () => Promise<unknown>;
}

const LENGTH_MS = 30_000;

/** What every lease promises; each adapter runs these tests. `make` gives a lease that nobody has ever held. */
export function leaseContract(name: string, make: (clusterId: string) => LeaseBench): void {
  describe(`lease on ${name}`, () => {
    const start = () => {
      const clusterId = `c${crypto.randomUUID()}`;
      const bench = make(clusterId);
      return { ...bench, clusterId, lease: bench.open() };
    };

    test('one takes it and holds it; another does not', async () => {
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

    test('of many that race one wins', async () => {
      const { open } = start();
      const racers = Array.from({ length: 20 }, (_, i) => ({ token: `t${i}`, lease: open() }));
      const taken = await Promise.all(racers.map(({ token, lease }) => lease.take(token, LENGTH_MS)));
      expect(taken.filter(Boolean)).toHaveLength(1);
      const winner = racers[taken.indexOf(true)];
      expect(await winner?.lease.holder()).toBe(winner?.token as string);
    });

    test('given back it is free at once', async () => {
      const { lease, open } = start();
      await lease.take('a', LENGTH_MS);
      await lease.release('a');
      expect(await lease.holder()).toBeUndefined();
      expect(await lease.renew('a', LENGTH_MS)).toBe(false);
      expect(await open().take('b', LENGTH_MS)).toBe(true);
    });

    test('not renewed it ends, and the one that had it notices', async () => {
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

    test('a store that lost everything gives it to whoever comes first', async () => {
      const { lease, open, flush } = start();
      await lease.take('a', LENGTH_MS);
      await flush();
      expect(await lease.renew('a', LENGTH_MS)).toBe(false);
      expect(await open().take('b', LENGTH_MS)).toBe(true);
    });

    test('clusters have one each', async () => {
      const [one, other] = [start(), start()];
      expect(await one.lease.take('a', LENGTH_MS)).toBe(true);
      expect(await other.lease.take('b', LENGTH_MS)).toBe(true);
    });
  });
}
