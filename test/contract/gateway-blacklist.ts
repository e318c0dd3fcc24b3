import { describe, expect, test } from 'bun:test';
import type { GatewayBlacklist } from '../../src/ports/gateway-blacklist.ts';

/** @param secondsLeft remaining time of a blacklisted gateway; undefined when it is not blacklisted */
export function gatewayBlacklistContract(
  name: string,
  blacklist: GatewayBlacklist,
  secondsLeft: (gatewaySid: string) => Promise<number | undefined>,
): void {
  describe(`gateway blacklist on ${name}`, () => {
    test('blacklists a gateway for the given time, and adding it again restarts the time', async () => {
      const sid = crypto.randomUUID();
      await blacklist.add(sid, 300);
      expect(await secondsLeft(sid)).toBeWithin(295, 301);
      await blacklist.add(sid, 600);
      expect(await secondsLeft(sid)).toBeWithin(595, 601);
    });

    test('removes one gateway; removing it twice is harmless', async () => {
      const [sid, other] = [crypto.randomUUID(), crypto.randomUUID()];
      await blacklist.add(sid, 300);
      await blacklist.add(other, 300);
      for (let i = 0; i < 2; i++) await blacklist.remove(sid);
      expect(await secondsLeft(sid)).toBeUndefined();
      expect(await secondsLeft(other)).toBeGreaterThan(0);
    });
  });
}
