import { Database } from 'bun:sqlite';
import { kyselyOver } from '../../src/adapters/sql/sqlite.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { directoryContract } from './directory.ts';

const database = new Database(':memory:', { strict: true });
database.run(SCHEMA);

directoryContract('SQLite', async () => kyselyOver(database));
