import { describe, expect, test } from 'bun:test';
import type { Clock } from '../../src/lib/timers.ts';
import type { GatewayBlacklist } from '../../src/ports/gateway-blacklist.ts';

/** @param expiryOf when a gateway leaves it, ms since the epoch of `clock`; undefined when it is not blacklisted */
export function gatewayBlacklistContract(
  name: string,
  blacklist: GatewayBlacklist,
  clock: Clock,
  expiryOf: (gatewaySid: string) => Promise<number | undefined>,
): void {
  describe(`gateway blacklist on ${name}`, () => {
    test('blacklists a gateway for the given time, and adding it again restarts the time', async () => {
      const sid = crypto.randomUUID();
      const before = clock.now();
      await blacklist.add(sid, 300);
      expect(((await expiryOf(sid)) ?? 0) - 300_000).toBeWithin(before, clock.now() + 1);
      await blacklist.add(sid, 600);
      expect(((await expiryOf(sid)) ?? 0) - 600_000).toBeWithin(before, clock.now() + 1);
    });

    test('removes one gateway; removing it twice is harmless', async () => {
      const [sid, other] = [crypto.randomUUID(), crypto.randomUUID()];
      await blacklist.add(sid, 300);
      await blacklist.add(other, 300);
      for (let i = 0; i < 2; i++) await blacklist.remove(sid);
      expect(await expiryOf(sid)).toBeUndefined();
      expect(await expiryOf(other)).toBeGreaterThan(clock.now());
    });
  });
}
