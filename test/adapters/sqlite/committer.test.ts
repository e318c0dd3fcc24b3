import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { Committer } from '../../../src/adapters/sqlite/committer.ts';
import { SyncFault } from '../../../src/adapters/sqlite/database-files.ts';
import { SqliteLocationService } from '../../../src/adapters/sqlite/location.ts';
import { SCHEMA } from '../../../src/adapters/sqlite/schema.ts';
import { QueryFault, Unavailable } from '../../../src/ports/errors.ts';
import { RecordingLogger } from '../../support/logger.ts';
import { DURABLE_REALM, registration } from '../../support/sqlite-update.ts';
import { ManualTimers } from '../../support/timers.ts';

const OPTIONS = { several: true };
const aor = (user: string) => ({ user, realm: DURABLE_REALM });

/** A location service on a disk whose syncs end when the test says so. */
function start() {
  const database = new Database(':memory:', { strict: true });
  database.run(SCHEMA);
  const timers = new ManualTimers(Date.now());
  const events: string[] = [];
  const syncs: PromiseWithResolvers<void>[] = [];
  const sync = () => {
    const { n } = database.query<{ n: number }, []>('SELECT count(*) AS n FROM bindings').get() ?? { n: 0 };
    events.push(`sync of ${n}`);
    const begun = Promise.withResolvers<void>();
    syncs.push(begun);
    return begun.promise;
  };
  const lost: unknown[] = [];
  const committer = new Committer(database, { sync, maintain: async () => {} }, timers, (error) => lost.push(error));
  const location = new SqliteLocationService(database, committer, timers, new RecordingLogger());
  /** Resolves when the n-th sync has begun, from 1. */
  const begun = async (n: number) => {
    while (syncs.length < n) await turn();
  };
  const register = async (user: string, cseq = 1) => {
    try {
      const { ok } = await location.update(registration(user, cseq));
      events.push(`${user} ${ok ? 'answered' : 'refused'}`);
    } catch (error) {
      events.push(`${user} ${error instanceof Error ? error.name : 'failed'}`);
      throw error;
    }
  };
  return { database, timers, committer, location, register, events, syncs, begun, lost };
}

test('an update is answered when a sync that began after its commit has ended; what arrives meanwhile waits', async () => {
  const { timers, register, events, syncs, begun } = start();
  const first = Promise.all([register('alice'), register('bob')]);
  await begun(1);
  const second = Promise.all([register('carol'), register('dave')]);
  await turns();
  expect(events).toEqual(['sync of 2']);
  syncs[0]?.resolve();
  await first;
  // The next group gathers.
  await turns();
  expect(events).toHaveLength(3);
  timers.advance(2);
  await begun(2);
  expect(events).toEqual(['sync of 2', 'alice answered', 'bob answered', 'sync of 4']);
  syncs[1]?.resolve();
  await second;
  expect(events.slice(4)).toEqual(['carol answered', 'dave answered']);
});

test('a lookup waits for the sync of its own AOR and of no other', async () => {
  const { location, register, events, syncs, begun } = start();
  const alice = register('alice');
  await begun(1);
  const lookup = location
    .lookup(aor('alice'), OPTIONS)
    .then(({ bindings }) => events.push(`lookup: ${bindings.length}`));
  expect((await location.lookup(aor('bob'), OPTIONS)).bindings).toEqual([]);
  await turns();
  expect(events).toEqual(['sync of 1']);
  syncs[0]?.resolve();
  await Promise.all([alice, lookup]);
  expect(events).toEqual(['sync of 1', 'alice answered', 'lookup: 1']);
});

test('a sync that fails refuses its updates and all later requests, and ends the process after that', async () => {
  const { location, register, events, syncs, begun, lost } = start();
  const alice = register('alice');
  await begun(1);
  const bob = register('bob');
  const fault = new SyncFault('EIO');
  syncs[0]?.reject(fault);
  const outcomes = await Promise.allSettled([alice, bob, register('carol'), location.lookup(aor('alice'), OPTIONS)]);
  for (const outcome of outcomes) expect(outcome.status === 'rejected' && outcome.reason).toBeInstanceOf(Unavailable);
  expect(events).toEqual(['sync of 1', 'alice Unavailable', 'bob Unavailable', 'carol Unavailable']);
  expect(lost).toEqual([fault]);
  await expect(register('dave')).rejects.toBeInstanceOf(Unavailable);
});

test('a sync that takes over 5 s is an outage until it ends', async () => {
  const { location, register, syncs, begun, timers, lost } = start();
  const alice = register('alice');
  await begun(1);
  const bob = register('bob');
  const lookup = location.lookup(aor('alice'), OPTIONS);
  timers.advance(5_000);
  for (const { status } of await Promise.allSettled([alice, bob, lookup])) expect(status).toBe('rejected');
  await expect(register('carol')).rejects.toBeInstanceOf(Unavailable);
  await expect(location.lookup(aor('alice'), OPTIONS)).rejects.toBeInstanceOf(Unavailable);
  syncs[0]?.resolve();
  await turns();
  expect((await location.lookup(aor('alice'), OPTIONS)).bindings).toHaveLength(1);
  const dave = register('dave');
  await begun(2);
  syncs[1]?.resolve();
  await dave;
  expect(lost).toEqual([]);
});

test('a change that SQLite refuses fails alone', async () => {
  const { database, committer, register, syncs, begun } = start();
  const bad = committer.durably(() => {
    database.run("INSERT INTO drained VALUES ('192.0.2.1')");
    database.run('INSERT INTO drained VALUES (NULL)');
  });
  const alice = register('alice');
  await expect(bad).rejects.toBeInstanceOf(QueryFault);
  await begun(1);
  syncs[0]?.resolve();
  await alice;
  expect(database.query('SELECT * FROM drained').values()).toEqual([]);
});

test('nothing is synced when nothing was committed', async () => {
  const { committer, syncs } = start();
  await expect(
    committer.durably(() => {
      throw new QueryFault('SQLite', 'refused', 'SQLITE_ERROR');
    }),
  ).rejects.toBeInstanceOf(QueryFault);
  await committer.stop();
  expect(syncs).toEqual([]);
});

/** Enough turns of the event loop for everything that waits for no sync. */
async function turns(): Promise<void> {
  for (let n = 0; n < 5; n++) await turn();
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
