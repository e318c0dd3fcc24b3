import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { SqlCarriers } from '../../src/adapters/sql/carriers.ts';
import { kyselyOver } from '../../src/adapters/sql/sqlite.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sqlServer } from '../support/sql-server.ts';
import { ManualTimers } from '../support/timers.ts';

const TIMEOUT_MS = 10_000;

test('a write that was given up while it waited is never executed later, over a newer one', async () => {
  const database = new Database(':memory:', { strict: true });
  database.run(SCHEMA);
  const timers = new ManualTimers();
  const answers = Promise.withResolvers<void>();
  let begun = 0;
  const db = kyselyOver(database).withPlugin({
    transformQuery: ({ node }) => {
      begun++;
      return node;
    },
    transformResult: async ({ result }) => {
      await answers.promise;
      return result;
    },
  });
  const server = sqlServer(db, 'SQLite');
  const carriers = new SqlCarriers(server, server, new RecordingLogger(), timers);
  const save = (sid: string, reason: string) =>
    carriers.saveRegisterStatus(sid, { status: 'ok', reason, timestamp: '' }).then(
      () => 'saved',
      (error: unknown) => (error instanceof Unavailable ? 'given up' : error),
    );

  const slow = ['a', 'b', 'c', 'd', 'e'].map((sid) => save(sid, 'slow'));
  const old = save('f', 'old');
  await timers.advanceAsync(TIMEOUT_MS);
  for (const write of [...slow, old]) expect(await write).toBe('given up');
  expect(begun).toBe(5);
  const recent = save('f', 'new');
  answers.resolve();
  expect(await recent).toBe('saved');
  await timers.advanceAsync(TIMEOUT_MS);
  expect(begun).toBe(6);
});
