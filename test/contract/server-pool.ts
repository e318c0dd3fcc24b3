import { describe, expect, test } from 'bun:test';
import type { ServerPool } from '../../src/ports/server-pool.ts';
import { ManualTimers } from '../support/timers.ts';

const SILENT_MS = 60_000;

/** @param open opens an empty pool */
export function serverPoolContract(name: string, open: (clock: ManualTimers) => ServerPool): void {
  describe(`server pool on ${name}`, () => {
    function start() {
      const clock = new ManualTimers(Date.now());
      const pool = open(clock);
      const checkIn = (member: string, changes: { open?: boolean; calls?: number; serviceUrl?: string } = {}) =>
        pool.checkIn({ kind: 'feature', member, open: true, ...changes });
      const rtp = (member: string, open = true) => pool.checkIn({ kind: 'rtp', member, open });
      const active = async () => (await pool.featureServers()).servers.filter((s) => s.active).map((s) => s.member);
      return { clock, pool, checkIn, rtp, active };
    }

    test('a server joins, stays and leaves', async () => {
      const { checkIn, active } = start();
      expect(await checkIn('10.0.0.1:5060')).toEqual({ members: 1, change: 'joined' });
      expect(await checkIn('10.0.0.2:5060')).toEqual({ members: 2, change: 'joined' });
      expect(await checkIn('10.0.0.1:5060')).toEqual({ members: 2 });
      expect(await checkIn('10.0.0.1:5060', { open: false })).toEqual({ members: 1, change: 'left' });
      expect(await checkIn('10.0.0.1:5060', { open: false })).toEqual({ members: 1 });
      expect(await active()).toEqual(['10.0.0.2:5060']);
    });

    test('stores calls and URL of the last check-in', async () => {
      const { clock, pool, checkIn } = start();
      await checkIn('10.0.0.1:5060', { calls: 3, serviceUrl: 'http://10.0.0.1:3000' });
      clock.advance(1000);
      await checkIn('10.0.0.1:5060', { calls: 0, serviceUrl: 'http://10.0.0.1:3001' });
      expect(await pool.featureServers()).toEqual({
        servers: [
          {
            member: '10.0.0.1:5060',
            ip: '10.0.0.1',
            active: true,
            calls: 0,
            serviceUrl: 'http://10.0.0.1:3001',
            lastCheckIn: clock.now(),
          },
        ],
        drained: [],
      });
    });

    test('draining deactivates all servers of an IP at once, undraining reactivates them at once', async () => {
      const { pool, checkIn, active } = start();
      await checkIn('10.0.0.1:5060');
      await checkIn('10.0.0.1:5070');
      await checkIn('10.0.0.10:5060');
      expect(await pool.drain('10.0.0.1')).toEqual(['10.0.0.1']);
      expect(await active()).toEqual(['10.0.0.10:5060']);
      expect(await checkIn('10.0.0.1:5060', { calls: 2 })).toEqual({ members: 1 });
      expect((await pool.featureServers()).servers).toContainEqual(
        expect.objectContaining({ member: '10.0.0.1:5060', active: false, calls: 2 }),
      );
      expect(await pool.undrain('10.0.0.1', SILENT_MS)).toEqual([]);
      expect(await active()).toEqual(['10.0.0.10:5060', '10.0.0.1:5060', '10.0.0.1:5070'].sort());
    });

    test('drain and undrain are idempotent', async () => {
      const { pool, checkIn, active } = start();
      await checkIn('10.0.0.1:5060');
      await pool.drain('10.0.0.1');
      expect(await pool.drain('10.0.0.1')).toEqual(['10.0.0.1']);
      await pool.undrain('10.0.0.1', SILENT_MS);
      expect(await pool.undrain('10.0.0.1', SILENT_MS)).toEqual([]);
      expect(await pool.undrain('10.0.0.9', SILENT_MS)).toEqual([]);
      expect(await active()).toEqual(['10.0.0.1:5060']);
    });

    test('an IP without servers can be drained', async () => {
      const { pool, checkIn, active } = start();
      expect(await pool.drain('10.0.0.7')).toEqual(['10.0.0.7']);
      expect(await pool.drain('10.0.0.6')).toEqual(['10.0.0.6', '10.0.0.7']);
      expect(await checkIn('10.0.0.7:5060')).toEqual({ members: 0 });
      expect(await active()).toEqual([]);
      expect((await pool.featureServers()).drained).toEqual(['10.0.0.6', '10.0.0.7']);
    });

    test('undrain does not reactivate a silent server', async () => {
      const { clock, pool, checkIn, active } = start();
      await checkIn('10.0.0.1:5060');
      await pool.drain('10.0.0.1');
      clock.advance(SILENT_MS + 1);
      await pool.undrain('10.0.0.1', SILENT_MS);
      expect(await active()).toEqual([]);
      expect(await checkIn('10.0.0.1:5060')).toEqual({ members: 1, change: 'joined' });
    });

    test('undrain reactivates a server that has been silent for just as long as it may', async () => {
      const { clock, pool, checkIn, active } = start();
      await checkIn('10.0.0.1:5060');
      await pool.drain('10.0.0.1');
      clock.advance(SILENT_MS);
      await pool.undrain('10.0.0.1', SILENT_MS);
      expect(await active()).toEqual(['10.0.0.1:5060']);
    });

    test('a server that closes while drained is no longer listed', async () => {
      const { pool, checkIn } = start();
      await checkIn('10.0.0.1:5060');
      await pool.drain('10.0.0.1');
      expect(await checkIn('10.0.0.1:5060', { open: false })).toEqual({ members: 0 });
      expect(await pool.featureServers()).toEqual({ servers: [], drained: ['10.0.0.1'] });
      await pool.undrain('10.0.0.1', SILENT_MS);
      expect((await pool.featureServers()).servers).toEqual([]);
    });

    test('IPv6 servers are drained by IP', async () => {
      const { pool, checkIn, active } = start();
      await checkIn('[2001:db8::1]:5060');
      await checkIn('[2001:db8::11]:5060');
      await pool.drain('2001:db8::1');
      expect(await active()).toEqual(['[2001:db8::11]:5060']);
      await pool.undrain('2001:db8::1', SILENT_MS);
      expect(await active()).toEqual(['[2001:db8::11]:5060', '[2001:db8::1]:5060'].sort());
    });

    test('servers without a check-in expire', async () => {
      const { clock, pool, checkIn, rtp, active } = start();
      await checkIn('10.0.0.1:5060');
      await checkIn('10.0.0.2:5060');
      await checkIn('10.0.0.3:5060');
      await rtp('10.0.0.8');
      await pool.drain('10.0.0.3');
      clock.advance(SILENT_MS);
      expect(await pool.expire('feature', SILENT_MS)).toEqual([]);
      clock.advance(1);
      await checkIn('10.0.0.2:5060');
      expect(await pool.expire('feature', SILENT_MS)).toEqual(['10.0.0.1:5060']);
      expect(await pool.expire('feature', SILENT_MS)).toEqual([]);
      expect(await active()).toEqual(['10.0.0.2:5060']);
      expect((await pool.featureServers()).servers).toHaveLength(1);
      expect(await pool.rtpServers()).toBe(1);
      expect(await pool.expire('rtp', SILENT_MS)).toEqual(['10.0.0.8']);
    });

    test('a check-in at a sidecar whose clock is behind does not move the time back', async () => {
      const { clock, pool, checkIn } = start();
      await checkIn('10.0.0.1:5060', { calls: 1 });
      clock.advance(-5000);
      await checkIn('10.0.0.1:5060', { calls: 2 });
      clock.advance(5000);
      expect((await pool.featureServers()).servers).toEqual([
        expect.objectContaining({ lastCheckIn: clock.now(), calls: 2 }),
      ]);
    });

    test('RTP servers are counted by IP and cannot be drained', async () => {
      const { pool, rtp } = start();
      await pool.drain('10.0.0.8');
      expect(await rtp('10.0.0.8')).toEqual({ members: 1, change: 'joined' });
      expect(await rtp('10.0.0.9')).toEqual({ members: 2, change: 'joined' });
      expect(await pool.rtpServers()).toBe(2);
      expect(await rtp('10.0.0.8', false)).toEqual({ members: 1, change: 'left' });
      expect((await pool.featureServers()).servers).toEqual([]);
    });
  });
}
