import { describe, expect, test } from 'bun:test';
import type { Clock } from '../../src/lib/timers.ts';
import type { GatewayBlacklist } from '../../src/ports/gateway-blacklist.ts';

/**
 * What every blacklist promises; each adapter runs these tests.
 * @param expiryOf when a gateway leaves it, milliseconds since the epoch of `clock`; undefined when it is not on it
 */
export function gatewayBlacklistContract(
  name: string,
  blacklist: GatewayBlacklist,
  clock: Clock,
  expiryOf: (gatewaySid: string) => Promise<number | undefined>,
): void {
  describe(`gateway blacklist on ${name}`, () => {
    test('a gateway is on it for so long, and longer when added again', async () => {
      const sid = crypto.randomUUID();
      const before = clock.now();
      await blacklist.add(sid, 300);
      expect(((await expiryOf(sid)) ?? 0) - 300_000).toBeWithin(before, clock.now() + 1);
      await blacklist.add(sid, 600);
      expect(((await expiryOf(sid)) ?? 0) - 600_000).toBeWithin(before, clock.now() + 1);
    });

    test('it is taken off, also twice', async () => {
      const [sid, other] = [crypto.randomUUID(), crypto.randomUUID()];
      await blacklist.add(sid, 300);
      await blacklist.add(other, 300);
      for (let i = 0; i < 2; i++) await blacklist.remove(sid);
      expect(await expiryOf(sid)).toBeUndefined();
      expect(await expiryOf(other)).toBeGreaterThan(clock.now());
    });
  });
}
