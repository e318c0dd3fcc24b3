import { afterAll } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteLocationService } from '../../src/adapters/sqlite/location.ts';
import { openSqlite } from '../../src/adapters/sqlite/open.ts';
import { locationServiceContract } from './location-service.ts';

const directory = mkdtempSync(join(tmpdir(), 'sidecar-'));
const database = openSqlite(directory);
afterAll(() => {
  database.close(true);
  rmSync(directory, { recursive: true });
});

locationServiceContract('SQLite', async (clock) => new SqliteLocationService(database, clock));
