import { Database } from 'bun:sqlite';
import { afterAll, expect, test } from 'bun:test';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { RedisLocationService } from '../../src/adapters/redis/location.ts';
import { SqliteLocationService } from '../../src/adapters/sqlite/location.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import type { Aor, Binding, NonceUse, Removal, Update, UpdateOutcome } from '../../src/ports/location.ts';
import { unsyncedCommitter } from '../support/committer.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sharedRedis } from '../support/redis.ts';
import { ManualTimers } from '../support/timers.ts';

const server = await sharedRedis();
const redis = new Redis({ host: server.host, port: server.port, enableAutoPipelining: true });
afterAll(() => redis.disconnect());

/** What a location service promises, in its simplest form. */
class ModelLocation {
  readonly #bindings = new Map<string, Stored[]>();
  readonly #accounts = new Map<string, string>();
  readonly #nonces = new Map<string, number>();

  constructor(private readonly clock: ManualTimers) {}

  live({ user, realm }: Aor): Stored[] {
    const all = this.#bindings.get(`${user}@${realm}`) ?? [];
    return all.filter((b) => b.expiryTime > this.clock.now());
  }

  update(update: Update): UpdateOutcome {
    const { nonce, save, remove, maxContacts, maxAors } = update;
    const name = `${update.aor.user}@${update.aor.realm}`;
    const before = this.live(update.aor);
    if (nonce && nonce.count <= this.nonceCount(nonce.id))
      return { ok: false, refusal: 'replay', bindings: plain(before) };

    const affected = before.filter((b) => remove === 'all' || [...remove, ...save].some((other) => areOne(b, other)));
    for (const b of affected)
      if (b.callId === update.callId && update.cseq <= b.cseq && !(nonce && nonce.issuedAt > b.savedAt))
        return { ok: false, refusal: 'out-of-order' };

    let after: Stored[] = before.filter((b) => !affected.includes(b));
    if (save.length > 0) {
      if (maxContacts === 1) after = [];
      after.push(...save.map((b, rank) => ({ ...b, rank })));
      if (after.length > maxContacts) return { ok: false, refusal: 'too-many-contacts' };
      if (maxAors === 0) return { ok: false, refusal: 'too-many-aors' };
      if (maxAors !== undefined && before.length === 0 && this.countAors(update.accountRealm) >= maxAors)
        return { ok: false, refusal: 'too-many-aors' };
    }
    after.sort((a, b) => Number(isTel(a)) - Number(isTel(b)) || b.savedAt - a.savedAt || a.rank - b.rank);
    if (nonce) this.#nonces.set(nonce.id, nonce.count);
    this.#bindings.set(name, after);
    this.#accounts.set(name, update.accountRealm);
    const successor = (b: Stored) => save.find((saved) => areOne(saved, b));
    return {
      ok: true,
      bindings: plain(after),
      renewed: save.map((saved) => before.findLast((b) => successor(b) === saved)?.proxy),
      ended: plain(before.filter((b) => !after.includes(b) && !successor(b))),
    };
  }

  removeFrom(aor: Aor, source: { proxy: string; protocol: string; savedUntil: number }): Removal {
    const before = this.live(aor);
    const after = before.filter(
      (b) => b.proxy !== source.proxy || b.protocol !== source.protocol || b.savedAt > source.savedUntil,
    );
    this.#bindings.set(`${aor.user}@${aor.realm}`, after);
    return { removed: plain(before.filter((b) => !after.includes(b))), remaining: after.length };
  }

  nonceCount(id: string): number {
    return this.#nonces.get(id) ?? 0;
  }

  countAors(accountRealm: string): number {
    const names = [...this.#bindings].filter(([, list]) => list.some((b) => b.expiryTime > this.clock.now()));
    return names.filter(([name]) => this.#accounts.get(name) === accountRealm).length;
  }
}

type Stored = Binding & { readonly rank: number };

function plain(list: readonly Stored[]): Binding[] {
  return list.map(({ rank: _, ...binding }) => binding);
}

function isTel({ contact }: Binding): boolean {
  return contact.startsWith('tel:');
}

function areOne(a: { key: string; uri: string }, b: { key: string; uri: string }): boolean {
  if (a.key !== a.uri && b.key !== b.uri) return a.key === b.key;
  return a.uri === b.uri;
}

interface Device {
  readonly instance?: string;
  readonly uri: string;
  readonly contact: string;
}

const URIS = ['sip:a@192.0.2.1', 'sip:b@192.0.2.2', 'sip:c@192.0.2.3', 'tel:+15551234'];
const device: fc.Arbitrary<Device> = fc
  .record({ uri: fc.constantFrom(...URIS), instance: fc.constantFrom(undefined, undefined, '<x>;', '<y>;1') })
  .chain(({ uri, instance }) =>
    fc.constantFrom(uri, uri.replace('192.0.2', '192.0.2').replace('sip:', 'SIP:')).map((contact) => ({
      uri,
      contact,
      ...(instance !== undefined && { instance }),
    })),
  );

const identity = ({ uri, contact, instance }: Device) => ({ key: instance ?? uri, uri, contact });

/** Never within seconds of the sum of some pauses: Redis expires keys by real time. */
const expiresMs = fc.nat({ max: 11 }).map((n) => 65_000 + 10_000 * n);
const source = fc.constantFrom('sip:192.0.2.7:5060', 'sip:192.0.2.8:40000');
const user = fc.constantFrom('alice', 'bob');
const subdomain = fc.constantFrom('', 'd1.');

const register = fc.record({
  kind: fc.constant('register' as const),
  user,
  subdomain,
  source,
  save: fc.array(fc.record({ device, expiresMs }), { maxLength: 3 }),
  remove: fc.oneof({ weight: 4, arbitrary: fc.array(device, { maxLength: 2 }) }, fc.constant('all' as const)),
  callId: fc.constantFrom('one', 'two', '漢🙂'),
  cseq: fc.integer({ min: 1, max: 4 }),
  maxContacts: fc.constantFrom(1, 2, 3, 3),
  maxAors: fc.constantFrom(undefined, undefined, undefined, 0, 1, 2, 3),
  nonce: fc.option(fc.record({ id: fc.nat({ max: 3 }), count: fc.integer({ min: 1, max: 3 }), ageMs: fc.nat(100) })),
  clockErrorMs: fc.constantFrom(0, 0, -5000, 5000),
});
const lost = fc.record({ kind: fc.constant('lost' as const), user, subdomain, source, ageMs: fc.nat({ max: 20 }) });
const pause = fc.record({ kind: fc.constant('pause' as const), ms: fc.constantFrom(1, 10, 30_000, 70_000) });
const step = fc.oneof({ weight: 5, arbitrary: register }, lost, { weight: 2, arbitrary: pause });

test('Redis and SQLite answer like the model, and hold the keys that other services read', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 10 }), async (steps) => {
      const clock = new ManualTimers(Date.now());
      const database = new Database(':memory:', { strict: true });
      database.run(SCHEMA);
      const inSqlite = new SqliteLocationService(database, unsyncedCommitter(database), clock, new RecordingLogger());
      const inRedis = new RedisLocationService(redis, clock, new RecordingLogger());
      const model = new ModelLocation(clock);
      const accountRealm = `${crypto.randomUUID()}.example.com`;
      const nonces = new Set<string>();
      const savedTimes = new Set<number>();

      for (const each of steps) {
        if (each.kind === 'pause') {
          clock.advance(each.ms);
          await inRedis.promoteDue();
          await inRedis.removeExpired();
          await inSqlite.sweepExpired();
        } else if (each.kind === 'lost') {
          const aor = { user: each.user, realm: `${each.subdomain}${accountRealm}` };
          const from = { proxy: each.source, protocol: 'tcp', savedUntil: clock.now() - each.ageMs };
          const removed = model.removeFrom(aor, from);
          expect(await inRedis.removeFrom(aor, from)).toEqual(removed);
          expect(await inSqlite.removeFrom(aor, from)).toEqual(removed);
        } else {
          const aor = { user: each.user, realm: `${each.subdomain}${accountRealm}` };
          let savedAt = clock.now() + each.clockErrorMs;
          while (savedTimes.has(savedAt)) savedAt++;
          savedTimes.add(savedAt);
          const save = each.save
            .map(
              ({ device, expiresMs }): Binding => ({
                ...identity(device),
                contactParams: '',
                callId: each.callId,
                cseq: each.cseq,
                protocol: 'tcp',
                proxy: each.source,
                sbcAddress: 'tcp/10.0.0.1:5060',
                privateSbcAddress: '10.0.0.1:5060',
                userAgent: 'phone "é" 🙂',
                grant: { allowDirectAppCalling: true, allowDirectQueueCalling: false, allowDirectUserCalling: true },
                expiryTime: clock.now() + expiresMs,
                savedAt,
                ...(each.subdomain !== '' && { accountRealm }),
              }),
            )
            .filter((b, i, all) => !all.slice(i + 1).some((later) => areOne(b, later)));
          const nonce: NonceUse | undefined = each.nonce
            ? {
                id: `${accountRealm}-${each.nonce.id}`,
                count: each.nonce.count,
                issuedAt: clock.now() - each.nonce.ageMs,
                // After all pauses: the model forgets no nonce.
                expiresAt: clock.now() + 3_600_000,
              }
            : undefined;
          if (nonce) nonces.add(nonce.id);
          const update: Update = {
            aor,
            accountRealm,
            callId: each.callId,
            cseq: each.cseq,
            save,
            remove: each.remove === 'all' ? 'all' : each.remove.map(identity),
            maxContacts: each.maxContacts,
            ...(each.maxAors !== undefined && { maxAors: each.maxAors }),
            ...(nonce && { nonce }),
          };
          const outcome = model.update(update);
          expect(await inRedis.update(update)).toEqual(outcome);
          expect(await inSqlite.update(update)).toEqual(outcome);
        }

        for (const realm of [accountRealm, `d1.${accountRealm}`])
          for (const user of ['alice', 'bob']) {
            const live = model.live({ user, realm });
            await expectStored({ user, realm }, live);
            for (const several of [true, false]) {
              const bindings = plain(several ? live : live.slice(0, 1));
              const expected = { bindings, lastNonceCount: 0 };
              expect(await inRedis.lookup({ user, realm }, { several })).toEqual(expected);
              expect(await inSqlite.lookup({ user, realm }, { several })).toEqual(expected);
            }
          }
        for (const nonceId of nonces) {
          const lastNonceCount = model.nonceCount(nonceId);
          const asked = { several: false, nonceId };
          expect(await inRedis.lookup({ user: 'x', realm: accountRealm }, asked)).toMatchObject({ lastNonceCount });
          expect(await inSqlite.lookup({ user: 'x', realm: accountRealm }, asked)).toMatchObject({ lastNonceCount });
        }
        const aors = await redis.zcount(`sidecar:realm:${accountRealm}`, `(${clock.now()}`, '+inf');
        expect(aors).toBe(model.countAors(accountRealm));
      }
      database.close();
    }),
    { numRuns: 150 },
  );

  /** The keys of jambonz: user:<aor> with the one that calls go to, active-user, and ours for the others. */
  async function expectStored({ user, realm }: Aor, [first, ...others]: Stored[]): Promise<void> {
    const name = `${user}@${realm}`;
    const [json, score, otherJsons, turn] = await Promise.all([
      redis.get(`user:${name}`),
      redis.zscore('active-user', `user:${name}`),
      redis.hvals(`sidecar:others:${name}`),
      redis.zscore('sidecar:promotions', name),
    ]);
    if (!first) return;
    expect(JSON.parse(json ?? 'null')).toMatchObject({ contact: first.contact, expiryTime: first.expiryTime });
    expect(score).toBe(String(first.expiryTime));
    const isOutlived = others.some((b) => b.expiryTime > first.expiryTime);
    expect(turn).toBe(isOutlived ? String(first.expiryTime) : null);
    const contacts = others.map((b) => b.contact);
    expect(otherJsons.map((other) => JSON.parse(other).contact)).toEqual(expect.arrayContaining(contacts));
  }
});
