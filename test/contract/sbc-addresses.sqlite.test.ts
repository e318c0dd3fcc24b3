import { Database } from 'bun:sqlite';
import { kyselyOver } from '../../src/adapters/sql/sqlite.ts';
import { SqliteSbcAddresses } from '../../src/adapters/sqlite/sbc-addresses.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { sbcAddressesContract } from './sbc-addresses.ts';

const database = new Database(':memory:', { strict: true });
database.run(SCHEMA);

sbcAddressesContract(
  'SQLite',
  () => new SqliteSbcAddresses(database),
  kyselyOver(database),
  async (ip, seconds) =>
    database
      .query("UPDATE sbc_addresses SET last_updated = datetime('now', '-' || ? || ' seconds') WHERE ipv4 = ?")
      .run(seconds, ip),
);
