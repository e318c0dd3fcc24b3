import { afterAll, expect, test } from 'bun:test';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { RedisServerPool } from '../../src/adapters/redis/server-pool.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sharedRedis } from '../support/redis.ts';
import { ManualTimers } from '../support/timers.ts';

const server = await sharedRedis();
const connections = [1, 2].map(() => new Redis({ host: server.host, port: server.port }));
const [redis = new Redis()] = connections;
afterAll(() => {
  for (const connection of connections) connection.disconnect();
});

const SILENT_MS = 60_000;
const IPS = ['10.0.0.1', '10.0.0.11', '2001:db8::1'];
const memberOf = (ip: string, port: number) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`);
const urlOf = (member: string) => `http://${member}/api`;
const MEMBERS = IPS.flatMap((ip) => [5060, 5070].map((port) => ({ ip, member: memberOf(ip, port) })));

type Step =
  | { readonly do: 'checkIn'; readonly sidecar: number; readonly who: number; readonly open: boolean }
  | { readonly do: 'drain' | 'undrain'; readonly sidecar: number; readonly ip: number }
  | { readonly do: 'expire'; readonly sidecar: number }
  | { readonly do: 'wait'; readonly ms: number };

const sidecar = fc.nat({ max: 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: checkIns() },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('drain' as const, 'undrain' as const),
      sidecar,
      ip: fc.nat({ max: IPS.length - 1 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const), sidecar }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1000, SILENT_MS + 1) }) },
);

function checkIns() {
  return fc.record({
    do: fc.constant('checkIn' as const),
    sidecar,
    who: fc.nat({ max: MEMBERS.length - 1 }),
    open: fc.boolean(),
  });
}

test('in any interleaving of two sidecars no drained server is active and no live one is lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 8 }), { maxLength: 12 }), async (bursts) => {
      const cluster = crypto.randomUUID();
      const clock = new ManualTimers(Date.now());
      const pools = connections.map(
        (connection) => new RedisServerPool(connection, cluster, clock, new RecordingLogger()),
      );
      const read = async () => ({
        active: await redis.smembers(`${cluster}:active-fs`),
        urls: await redis.smembers(`${cluster}:fs-service-url`),
        drained: await redis.smembers(`${cluster}:drained-fs`),
      });
      const act = async (s: Step): Promise<unknown> => {
        if (s.do === 'wait') return clock.advance(s.ms);
        const pool = pools[s.sidecar];
        if (s.do === 'expire') return pool?.expire('feature', SILENT_MS);
        if (s.do === 'checkIn') {
          const member = MEMBERS[s.who]?.member ?? '';
          return pool?.checkIn({ kind: 'feature', member, open: s.open, serviceUrl: urlOf(member) });
        }
        return s.do === 'drain' ? pool?.drain(IPS[s.ip] ?? '') : pool?.undrain(IPS[s.ip] ?? '', SILENT_MS);
      };

      for (const burst of bursts) {
        // Concurrent, over two connections: the order at Redis is arbitrary.
        await Promise.all(burst.map(act));
        const { active, urls, drained } = await read();
        for (const { ip, member } of MEMBERS.filter((m) => drained.includes(m.ip))) {
          expect({ ip, active }).not.toMatchObject({ active: expect.arrayContaining([member]) });
          expect({ ip, urls }).not.toMatchObject({ urls: expect.arrayContaining([urlOf(member)]) });
        }
        expect(urls.sort()).toEqual(active.map(urlOf).sort());
      }

      for (const [i, { member }] of MEMBERS.entries())
        await pools[i % 2]?.checkIn({ kind: 'feature', member, open: true, serviceUrl: urlOf(member) });
      const { active, drained } = await read();
      expect(active.sort()).toEqual(
        MEMBERS.filter((m) => !drained.includes(m.ip))
          .map((m) => m.member)
          .sort(),
      );
    }),
    { numRuns: 150 },
  );
});
