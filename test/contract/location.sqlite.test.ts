import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteLocationService } from '../../src/adapters/sqlite/location.ts';
import { openSqlite } from '../../src/adapters/sqlite/open.ts';
import { ManualClock } from '../support/clock.ts';
import { locationServiceContract } from './location-service.ts';

const directory = mkdtempSync(join(tmpdir(), 'sidecar-'));
const database = openSqlite(directory);
afterAll(() => {
  database.close(true);
  rmSync(directory, { recursive: true });
});

locationServiceContract('SQLite', async (clock) => new SqliteLocationService(database, clock));

test('what expired while nobody was there is forgotten at once', () => {
  const clock = new ManualClock(Date.now());
  for (let i = 0; i < 250; i++) {
    database.run('INSERT INTO aors VALUES (?, ?, ?)', [`u${i}@gone.example.com`, 'gone.example.com', clock.now() - 1]);
    database.run("INSERT INTO bindings VALUES (?, 'k', '{}')", [`u${i}@gone.example.com`]);
    database.run('INSERT INTO nonces VALUES (?, 1, ?)', [`gone${i}`, clock.now() - 1]);
  }
  database.run("INSERT INTO realms VALUES ('gone.example.com', 250)");
  new SqliteLocationService(database, clock).sweepAll();
  const count = (sql: string) => database.query<{ n: number }, []>(sql).get()?.n;
  expect(count("SELECT count(*) AS n FROM bindings WHERE aor LIKE '%@gone.example.com'")).toBe(0);
  expect(count("SELECT count(*) AS n FROM nonces WHERE id LIKE 'gone%'")).toBe(0);
  expect(count("SELECT aors AS n FROM realms WHERE realm = 'gone.example.com'")).toBe(0);
});
