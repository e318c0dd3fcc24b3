import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { kyselyOver } from '../../src/adapters/sql/sqlite.ts';
import { SqliteSbcAddresses } from '../../src/adapters/sqlite/sbc-addresses.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { DependencyError } from '../../src/ports/errors.ts';
import { sbcAddressesContract } from './sbc-addresses.ts';

const database = new Database(':memory:', { strict: true });
database.run(SCHEMA);

sbcAddressesContract('SQLite', {
  open: () => new SqliteSbcAddresses(database),
  db: kyselyOver(database),
  age: async (ip, seconds, port) =>
    database
      .query(
        `UPDATE sbc_addresses SET last_updated = datetime('now', '-' || ?1 || ' seconds')
         WHERE ipv4 = ?2 AND port = coalesce(?3, port)`,
      )
      .run(seconds, ip, port ?? null),
  unique: false,
});

test('fails when SQLite refuses', async () => {
  const broken = new SqliteSbcAddresses(new Database(':memory:', { strict: true }));
  await expect(broken.announce([], 3600)).rejects.toThrow(DependencyError);
});
