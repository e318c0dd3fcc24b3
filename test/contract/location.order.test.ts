import { Database } from 'bun:sqlite';
import { afterAll, expect, test } from 'bun:test';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { RedisLocationService } from '../../src/adapters/redis/location.ts';
import { SqliteLocationService } from '../../src/adapters/sqlite/location.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import type { Binding, Update, UpdateOutcome } from '../../src/ports/location.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sharedRedis } from '../support/redis.ts';
import { ManualTimers } from '../support/timers.ts';

const server = await sharedRedis();
const redis = new Redis({ host: server.host, port: server.port, enableAutoPipelining: true });
afterAll(() => redis.disconnect());

const CONTACTS = ['sip:a@192.0.2.1', 'sip:b@192.0.2.2', 'sip:c@192.0.2.3', 'sip:d@192.0.2.4'];

/** Never within seconds of the sum of some pauses: Redis expires keys by real time. */
const expiresMs = fc.nat({ max: 11 }).map((n) => 65_000 + 10_000 * n);

/** A REGISTER at a sidecar whose clock may be wrong, and the time until the next. */
const step = fc.record({
  save: fc.shuffledSubarray(CONTACTS),
  expiresMs: fc.array(expiresMs, { minLength: CONTACTS.length, maxLength: CONTACTS.length }),
  remove: fc.subarray(CONTACTS, { maxLength: 2 }),
  clockErrorMs: fc.constantFrom(0, 0, -5000, 5000),
  pauseMs: fc.constantFrom(0, 10, 30_000, 70_000),
});

test('Redis and SQLite keep the bindings of an AOR in the same order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
      const clock = new ManualTimers(Date.now());
      const database = new Database(':memory:', { strict: true });
      database.run(SCHEMA);
      const inSqlite = new SqliteLocationService(database, clock);
      const inRedis = new RedisLocationService(redis, clock, new RecordingLogger());
      const aor = { user: 'alice', realm: `${crypto.randomUUID()}.example.com` };
      const savedTimes = new Set<number>();

      for (const [i, { save, expiresMs, remove, clockErrorMs, pauseMs }] of steps.entries()) {
        let savedAt = clock.now() + clockErrorMs;
        while (savedTimes.has(savedAt)) savedAt++;
        savedTimes.add(savedAt);
        const bindings = save.map((contact, n) => binding(contact, savedAt, clock.now() + (expiresMs[n] ?? 0)));
        const update: Update = { aor, callId: `call${i}`, cseq: 1, save: bindings, remove, maxContacts: 3 };
        expect(summary(await inRedis.update(update))).toEqual(summary(await inSqlite.update(update)));

        clock.advance(pauseMs);
        await inRedis.promoteDue();
        const { bindings: live } = await inSqlite.lookup(aor, { countRealm: false });
        expect((await inRedis.lookup(aor, { countRealm: false })).bindings).toEqual(live.slice());
        const [first] = live;
        if (first) expect(await storedContact(`user:alice@${aor.realm}`)).toBe(first.contact);
      }
      database.close();
    }),
    { numRuns: 100 },
  );
});

async function storedContact(key: string): Promise<unknown> {
  return JSON.parse((await redis.get(key)) ?? 'null')?.contact;
}

function summary(outcome: UpdateOutcome) {
  return outcome.ok ? outcome.bindings.map((each) => each.contact) : outcome.refusal;
}

function binding(contact: string, savedAt: number, expiryTime: number): Binding {
  return {
    key: contact,
    contact,
    contactParams: '',
    callId: 'call',
    cseq: 1,
    protocol: 'udp',
    proxy: 'sip:192.0.2.1:5060',
    sbcAddress: 'udp/10.0.0.1:5060',
    privateSbcAddress: '10.0.0.1:5060',
    grant: { allowDirectAppCalling: true, allowDirectQueueCalling: false, allowDirectUserCalling: true },
    expiryTime,
    savedAt,
  };
}
