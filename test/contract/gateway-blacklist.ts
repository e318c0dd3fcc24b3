import { describe, expect, test } from 'bun:test';
import type { GatewayBlacklist } from '../../src/ports/gateway-blacklist.ts';

/**
 * What every blacklist promises; each adapter runs these tests.
 * @param secondsLeft how long a gateway stays on it; undefined when it is not on it
 */
export function gatewayBlacklistContract(
  name: string,
  blacklist: GatewayBlacklist,
  secondsLeft: (gatewaySid: string) => Promise<number | undefined>,
): void {
  describe(`gateway blacklist on ${name}`, () => {
    test('a gateway is on it for so long, and longer when added again', async () => {
      const sid = crypto.randomUUID();
      await blacklist.add(sid, 300);
      expect(await secondsLeft(sid)).toBeWithin(295, 301);
      await blacklist.add(sid, 600);
      expect(await secondsLeft(sid)).toBeWithin(595, 601);
    });

    test('it is taken off, also twice', async () => {
      const [sid, other] = [crypto.randomUUID(), crypto.randomUUID()];
      await blacklist.add(sid, 300);
      await blacklist.add(other, 300);
      for (let i = 0; i < 2; i++) await blacklist.remove(sid);
      expect(await secondsLeft(sid)).toBeUndefined();
      expect(await secondsLeft(other)).toBeGreaterThan(0);
    });
  });
}
