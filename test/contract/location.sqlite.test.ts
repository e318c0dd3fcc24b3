import { Database } from 'bun:sqlite';
import { afterAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { SqliteLocationService } from '../../src/adapters/sqlite/location.ts';
import { openSqlite } from '../../src/adapters/sqlite/open.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { removeTemporaryDirectory, temporaryDirectory } from '../support/cleanup.ts';
import { unsyncedCommitter } from '../support/committer.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers } from '../support/timers.ts';
import { locationServiceContract } from './location-service.ts';

const directory = temporaryDirectory('location');
const database = openSqlite(directory);
afterAll(() => {
  database.close(true);
  removeTemporaryDirectory(directory);
});

locationServiceContract('SQLite', (clock) => {
  const location = new SqliteLocationService(database, unsyncedCommitter(database), clock, new RecordingLogger());
  return {
    location,
    callTarget: async (aor) => (await location.lookup(aor, { several: false })).bindings[0]?.contact,
    countAors: async (realm, now) => countAors(database, realm, now),
    removeExpired: () => location.sweepExpired(),
  };
});

/** Live AORs: the stored count less those that have expired. */
function countAors(database: Database, realm: string, now: number): number {
  const one = (sql: string, ...values: (string | number)[]) =>
    database.query<{ n: number }, (string | number)[]>(sql).get(...values)?.n ?? 0;
  const expired = one('SELECT count(*) AS n FROM aors WHERE realm = ? AND expiry <= ?', realm, now);
  return one('SELECT aors AS n FROM realms WHERE realm = ?', realm) - expired;
}

/** The tables of bindings in our first version. */
const FIRST_SCHEMA = `
CREATE TABLE bindings (aor TEXT NOT NULL, key TEXT NOT NULL, json TEXT NOT NULL, PRIMARY KEY (aor, key)) WITHOUT ROWID;
CREATE TABLE aors (aor TEXT PRIMARY KEY, realm TEXT NOT NULL, expiry INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX aors_expiry ON aors (expiry);
CREATE TABLE realms (realm TEXT PRIMARY KEY, aors INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE nonces (id TEXT PRIMARY KEY, count INTEGER NOT NULL, expiry INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX nonces_expiry ON nonces (expiry);
`;

test('opens a database of our first version, with bindings in the order of their fractional savedAt', async () => {
  const clock = new ManualTimers();
  const expiryTime = clock.now() + 600_000;
  const earlier = temporaryDirectory('location-earlier');
  const [a, b, c, d] = ['sip:a@192.0.2.1', 'sip:b@192.0.2.2', 'sip:c@192.0.2.3', 'sip:d@192.0.2.4'];
  const preferred = [c, a, b];
  const before = new Database(join(earlier, 'sidecar.db'), { create: true, strict: true });
  before.run(FIRST_SCHEMA);
  for (const [i, contact] of preferred.entries()) {
    const stored = {
      contact,
      sbcAddress: 'udp/10.0.0.5:5060',
      privateSbcAddress: '10.0.0.5:5060',
      protocol: 'udp',
      proxy: 'sip:192.0.2.7:5060',
      allow_direct_app_calling: true,
      allow_direct_queue_calling: true,
      allow_direct_user_calling: true,
      expiryTime,
      key: contact,
      contactParams: '',
      callId: 'earlier',
      cseq: 1,
      savedAt: clock.now() - i / 1000,
    };
    before.run('INSERT INTO bindings VALUES (?, ?, ?)', ['alice@example.com', contact, JSON.stringify(stored)]);
  }
  before.run("INSERT INTO aors VALUES ('alice@example.com', 'example.com', ?)", [expiryTime]);
  before.run("INSERT INTO realms VALUES ('example.com', 1)");
  before.close();

  const database = openSqlite(earlier);
  const location = new SqliteLocationService(database, unsyncedCommitter(database), clock, new RecordingLogger());
  const alice = { user: 'alice', realm: 'example.com' };
  const { bindings } = await location.lookup(alice, { several: true });
  expect(bindings.map((each) => each.contact)).toEqual(preferred);
  expect(countAors(database, 'example.com', clock.now())).toBe(1);

  clock.advance(1000);
  const [renewed] = bindings.slice(-1);
  if (!renewed) throw new Error('no binding');
  const save = [renewed, { ...renewed, key: d, uri: d, contact: d }].map((each) => ({ ...each, savedAt: clock.now() }));
  const outcome = await location.update({
    aor: alice,
    accountRealm: alice.realm,
    callId: 'later',
    cseq: 1,
    save,
    remove: [],
    maxContacts: 5,
  });
  expect(outcome.ok && outcome.bindings.map((each) => each.contact)).toEqual([b, d, c, a]);
  const after = await location.lookup(alice, { several: true });
  expect(after.bindings.map((each) => each.contact)).toEqual([b, d, c, a]);
  expect(countAors(database, 'example.com', clock.now())).toBe(1);
  database.close();
  removeTemporaryDirectory(earlier);
});

test('an AOR that an earlier version counted for a sub-domain is counted for its account once it is renewed', async () => {
  const clock = new ManualTimers();
  const memory = new Database(':memory:', { strict: true });
  memory.run(SCHEMA);
  const location = new SqliteLocationService(memory, unsyncedCommitter(memory), clock, new RecordingLogger());
  const aor = { user: 'alice', realm: 'd1.one.test' };
  const contact = 'sip:alice@192.0.2.1';
  const register = (accountRealm: string) =>
    location.update({
      aor,
      accountRealm,
      callId: accountRealm,
      cseq: 1,
      save: [
        {
          key: contact,
          uri: contact,
          contact,
          contactParams: '',
          callId: accountRealm,
          cseq: 1,
          protocol: 'udp',
          proxy: 'sip:192.0.2.1:5060',
          sbcAddress: '',
          privateSbcAddress: '',
          grant: { allowDirectAppCalling: true, allowDirectQueueCalling: true, allowDirectUserCalling: true },
          expiryTime: clock.now() + 600_000,
          savedAt: clock.now(),
        },
      ],
      remove: [],
      maxContacts: 1,
    });
  await register('d1.one.test');
  await register('one.test');
  expect(countAors(memory, 'one.test', clock.now())).toBe(1);
  expect(countAors(memory, 'd1.one.test', clock.now())).toBe(0);
  clock.advance(600_000);
  await location.removeFrom(aor, { proxy: '', protocol: '', savedUntil: 0 });
  expect(memory.query('SELECT realm, aors FROM realms ORDER BY realm').values()).toEqual([
    ['d1.one.test', 0],
    ['one.test', 0],
  ]);
  memory.close();
});

test('the start deletes and reports everything that has expired', () => {
  const clock = new ManualTimers(Date.now());
  for (let i = 0; i < 250; i++) {
    database.run('INSERT INTO aors VALUES (?, ?, ?)', [`u${i}@gone.example.com`, 'gone.example.com', clock.now() - 1]);
    database.run("INSERT INTO bindings VALUES (?, 'k', '{}')", [`u${i}@gone.example.com`]);
    database.run('INSERT INTO nonces VALUES (?, 1, ?)', [`gone${i}`, clock.now() - 1]);
  }
  database.run("INSERT INTO realms VALUES ('gone.example.com', 250)");
  const location = new SqliteLocationService(database, unsyncedCommitter(database), clock, new RecordingLogger());
  const expired: string[] = [];
  location.onExpired((aor) => expired.push(aor));
  location.start();
  location.stop();
  expect(expired.filter((aor) => aor.endsWith('@gone.example.com'))).toHaveLength(250);
  const count = (sql: string) => database.query<{ n: number }, []>(sql).get()?.n;
  expect(count("SELECT count(*) AS n FROM bindings WHERE aor LIKE '%@gone.example.com'")).toBe(0);
  expect(count("SELECT count(*) AS n FROM nonces WHERE id LIKE 'gone%'")).toBe(0);
  expect(count("SELECT aors AS n FROM realms WHERE realm = 'gone.example.com'")).toBe(0);
});
