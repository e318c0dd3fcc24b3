import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { Random } from '../../../bench/lib/random.ts';
import { Committer } from '../../../src/adapters/sqlite/committer.ts';
import { SqliteLocationService } from '../../../src/adapters/sqlite/location.ts';
import { DATABASE_FILE, openSqlite } from '../../../src/adapters/sqlite/open.ts';
import { recordStart } from '../../../src/adapters/sqlite/settings.ts';
import { type LogLimits, WriteAheadLog } from '../../../src/adapters/sqlite/write-ahead-log.ts';
import { systemTimers } from '../../../src/lib/timers.ts';
import { removeTemporaryDirectory, temporaryDirectory } from '../../support/cleanup.ts';
import { FailingDisk } from '../../support/failing-disk.ts';
import { RecordingLogger } from '../../support/logger.ts';
import { DURABLE_REALM, registration } from '../../support/sqlite-update.ts';

const USERS = 40;
/** Share of the syncs at whose begin or end the power fails. */
const FAILURES = 0.4;

/** Rows that one statement writes, to different pages. */
const ROWS = 5;

/** Reads what the sidecar would find after a power failure. @throws when the database is damaged */
async function recovered(directory: string): Promise<Map<string, number>> {
  const database = new Database(join(directory, DATABASE_FILE), { strict: true });
  try {
    database.run('PRAGMA synchronous = OFF');
    expect(database.query('PRAGMA integrity_check').values()).toEqual([['ok']]);
    const parts = database.query('SELECT count(*) FROM drained GROUP BY substr(ip, -10)').values();
    expect(parts.filter(([rows]) => rows !== ROWS)).toEqual([]);
    const rows = database.query<{ aor: string; json: string }, []>('SELECT aor, json FROM bindings').all();
    return new Map(rows.map(({ aor, json }) => [aor, JSON.parse(json).cseq]));
  } finally {
    database.close();
    removeTemporaryDirectory(directory);
  }
}

interface Load {
  readonly rounds: number;
  /** Small, so that the log is copied or emptied many times. */
  readonly limits: LogLimits;
  /** Whether other statements come during syncs too. Those during the last sync of a log SQLite syncs itself, unseen here. */
  readonly duringSyncs: boolean;
}

const LOADS: [string, Load][] = [
  ['whose log is emptied', { rounds: 150, limits: { copyBytes: 60_000, resetBytes: 150_000 }, duringSyncs: false }],
  ['whose log is only copied', { rounds: 70, limits: { copyBytes: 60_000, resetBytes: 1e9 }, duringSyncs: true }],
];

test.each(LOADS.flatMap(([name, load]) => [1, 2].map((seed) => [name, seed, load] as const)))(
  'a power failure at any moment leaves a whole database %s, with every registration that was answered (seed %i)',
  async (_name, seed, { rounds, limits, duringSyncs }) => {
    const random = new Random(seed);
    const database = openSqlite(temporaryDirectory('power-live'));
    const disk = new FailingDisk(database.filename);
    const logger = new RecordingLogger();
    const log = new WriteAheadLog(database, disk, logger, limits);
    recordStart(database);
    await disk.syncLog();
    await disk.syncDatabase();
    log.start();
    /** A statement that does not go through the committer. */
    const otherStatement = () => {
      if (random.next() < 0.7) return;
      const transaction = random.next().toFixed(10).slice(-10);
      const rows = Array.from({ length: ROWS }, () => `${random.next()}`.repeat(30) + transaction);
      database.run('INSERT INTO drained (ip) VALUES (?), (?), (?), (?), (?)', rows);
    };
    const maintain = () => {
      otherStatement();
      return log.maintain();
    };
    const committer = new Committer(database, { sync: () => log.sync(), maintain }, systemTimers, (error) => {
      throw error;
    });
    const location = new SqliteLocationService(database, committer, systemTimers, logger);

    const answered = new Map<string, number>();
    const failures: { directory: string; answered: Map<string, number> }[] = [];
    disk.onSync = () => {
      if (duringSyncs) otherStatement();
      if (random.next() < FAILURES)
        failures.push({ directory: disk.afterPowerFailure(random), answered: new Map(answered) });
    };
    for (let cseq = 1; cseq <= rounds; cseq++) {
      const users = Array.from({ length: 5 }, () => `user${Math.floor(random.between(0, USERS))}`);
      await Promise.all(
        [...new Set(users)].map(async (user) => {
          const { ok } = await location.update(registration(user, cseq));
          expect(ok).toBe(true);
          answered.set(`${user}@${DURABLE_REALM}`, cseq);
        }),
      );
    }
    await committer.stop();
    // Emptied dozens of times.
    if (!duringSyncs) expect(disk.logBytes()).toBeLessThan(2 * limits.resetBytes);
    await log.close();
    database.close();

    expect(logger.lines).toEqual([]);
    expect(failures.length).toBeGreaterThan(50);
    for (const failure of failures) {
      const found = await recovered(failure.directory);
      for (const [aor, cseq] of failure.answered) expect(found.get(aor) ?? 0).toBeGreaterThanOrEqual(cseq);
    }
  },
);
