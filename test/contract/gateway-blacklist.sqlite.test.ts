import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { SqliteGatewayBlacklist } from '../../src/adapters/sqlite/gateway-blacklist.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { ManualTimers } from '../support/timers.ts';
import { gatewayBlacklistContract } from './gateway-blacklist.ts';

const database = new Database(':memory:', { strict: true });
database.run(SCHEMA);
const clock = new ManualTimers();
const blacklist = new SqliteGatewayBlacklist(database, clock);
const expiryOf = (sid: string) =>
  database
    .query<{ expiry: number }, [string]>('SELECT expiry FROM blacklisted_gateways WHERE sip_gateway_sid = ?')
    .get(sid)?.expiry;

gatewayBlacklistContract('SQLite', blacklist, clock, async (sid) => expiryOf(sid));

test('adding a gateway deletes expired ones', async () => {
  const sid = crypto.randomUUID();
  await blacklist.add(sid, 1);
  clock.advance(1000);
  await blacklist.add(crypto.randomUUID(), 300);
  expect(expiryOf(sid)).toBeUndefined();
});
