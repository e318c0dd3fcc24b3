import { afterAll } from 'bun:test';
import { SqliteLease } from '../../src/adapters/sqlite/lease.ts';
import { openSqlite } from '../../src/adapters/sqlite/open.ts';
import { removeTemporaryDirectory, temporaryDirectory } from '../support/cleanup.ts';
import { ManualTimers } from '../support/timers.ts';
import { leaseContract } from './lease.ts';

const directory = temporaryDirectory('lease');
const first = openSqlite(directory);
const second = openSqlite(directory);
afterAll(() => {
  first.close();
  second.close();
  removeTemporaryDirectory(directory);
});

leaseContract('SQLite', (clusterId) => {
  const clock = new ManualTimers();
  let opened = 0;
  return {
    open: () => new SqliteLease(opened++ % 2 === 0 ? first : second, clusterId, clock),
    expire: async () => clock.advance(50),
    flush: async () => first.run('DELETE FROM leases'),
  };
});
