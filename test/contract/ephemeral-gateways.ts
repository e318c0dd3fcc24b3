import { describe, expect, test } from 'bun:test';
import type { EphemeralGateways } from '../../src/ports/ephemeral-gateways.ts';
import { ManualTimers } from '../support/timers.ts';

/** A random IPv4 address. */
export function newIp(): string {
  return `203.${[0, 0, 0].map(() => Math.floor(Math.random() * 256)).join('.')}`;
}

/** @param read returns the stored carriers of an IP in normal form: carrier → expiry in seconds since the epoch */
export function ephemeralGatewaysContract(
  name: string,
  open: (clock: ManualTimers) => EphemeralGateways,
  read: (ip: string) => Promise<Record<string, number>>,
): void {
  describe(`ephemeral gateways on ${name}`, () => {
    const start = () => {
      const clock = new ManualTimers(Math.floor(Date.now() / 1000) * 1000);
      const now = clock.now() / 1000;
      return { clock, now, gateways: open(clock), ip: newIp() };
    };

    test('an address may belong to several carriers, each with its own expiry', async () => {
      const { clock, now, gateways, ip } = start();
      await gateways.set(ip, 'a', clock.now() + 600_000);
      await gateways.set(ip, 'b', clock.now() + 3_600_001);
      expect(await read(ip)).toEqual({ a: now + 600, b: now + 3601 });
      await gateways.set(ip, 'a', clock.now() + 900_000);
      expect(await read(ip)).toEqual({ a: now + 900, b: now + 3601 });
    });

    test('setting a carrier deletes expired ones', async () => {
      const { clock, now, gateways, ip } = start();
      await gateways.set(ip, 'a', clock.now() + 60_000);
      clock.advance(60_000);
      await gateways.set(ip, 'b', clock.now() + 60_000);
      expect(await read(ip)).toEqual({ b: now + 120 });
    });

    test('a carrier is kept to the end of its last second', async () => {
      const { clock, now, gateways, ip } = start();
      clock.advance(500);
      await gateways.set(ip, 'a', clock.now() + 100);
      await gateways.set(ip, 'b', clock.now() + 60_000);
      expect(await read(ip)).toEqual({ a: now + 1, b: now + 61 });
    });

    test('removes one carrier and keeps the other', async () => {
      const { clock, now, gateways, ip } = start();
      await gateways.set(ip, 'a', clock.now() + 60_000);
      await gateways.set(ip, 'b', clock.now() + 60_000);
      await gateways.remove(ip, 'a');
      await gateways.remove(ip, 'unknown');
      expect(await read(ip)).toEqual({ b: now + 60 });
      await gateways.remove(ip, 'b');
      expect(await read(ip)).toEqual({});
    });

    test('normalises IPv6 addresses, and IPv4-mapped ones to IPv4', async () => {
      const { clock, now, gateways, ip } = start();
      const block = Math.floor(Math.random() * 0xffff) + 1;
      const long = `2001:0DB8:${block.toString(16)}:0000:0:0:0:000A`;
      await gateways.set(long, 'a', clock.now() + 60_000);
      expect(await read(`2001:db8:${block.toString(16)}::a`)).toEqual({ a: now + 60 });
      await gateways.remove(`[${long}]`, 'a');
      expect(await read(`2001:db8:${block.toString(16)}::a`)).toEqual({});
      await gateways.set(`::ffff:${ip}`, 'a', clock.now() + 60_000);
      expect(await read(ip)).toEqual({ a: now + 60 });
    });
  });
}
