import { Database } from 'bun:sqlite';
import { SqliteEphemeralGateways } from '../../src/adapters/sqlite/ephemeral-gateways.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { ephemeralGatewaysContract } from './ephemeral-gateways.ts';

const database = new Database(':memory:', { strict: true });
database.run(SCHEMA);

ephemeralGatewaysContract(
  'SQLite',
  (clock) => new SqliteEphemeralGateways(database, clock),
  async (ip) => {
    const rows = database
      .query<{ carrier: string; expiry: number }, [string]>(
        'SELECT voip_carrier_sid AS carrier, expiry FROM ephemeral_gateways WHERE ip = ?',
      )
      .all(ip);
    return Object.fromEntries(rows.map(({ carrier, expiry }) => [carrier, Math.ceil(expiry / 1000)]));
  },
);
