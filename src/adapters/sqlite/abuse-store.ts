import type { Database } from 'bun:sqlite';
import type { Clock } from '../../lib/timers.ts';
import {
  type AbusePolicy,
  type AbuseReport,
  type AbuseState,
  type AbuseStore,
  BAN_MEMORY_MS,
  HALF_LIFE_MS,
  LONGEST_BAN_MS,
  SPENT_NONCE_COUNT,
} from '../../ports/abuse-store.ts';
import { guarded } from './guarded.ts';

const MINUTE_MS = 60_000;
/** Bound of each table; beyond it the lowest are forgotten. */
const MAX_ROWS = 10_000;

export class SqliteAbuseStore implements AbuseStore {
  constructor(
    private readonly database: Database,
    private readonly policy: AbusePolicy,
    private readonly clock: Clock,
  ) {}

  async exchange(report: AbuseReport): Promise<AbuseState> {
    const now = this.clock.now();
    return guarded(
      this.database.transaction(() => {
        this.#forget(now);
        this.#add(report, now);
        this.#trim();
        return this.#state(now);
      }).immediate,
    );
  }

  async clear(source?: string): Promise<readonly string[]> {
    const now = this.clock.now();
    const all = source === undefined;
    return guarded(
      this.database.transaction(() => {
        const banned = this.database
          .query<{ source: string }, [number, boolean, string | null]>(
            'SELECT source FROM bans WHERE until > ? AND (? OR source = ?)',
          )
          .all(now, all, source ?? null);
        for (const table of ['bans', 'suspects'])
          this.database.query(`DELETE FROM ${table} WHERE ? OR source = ?`).run(all, source ?? null);
        return banned.map((row) => row.source);
      }).immediate,
    );
  }

  #add({ offences, pardoned, wrongAnswers, spentNonces }: AbuseReport, now: number): void {
    const { database } = this;
    for (const source of pardoned) database.query('DELETE FROM suspects WHERE source = ?').run(source);
    for (const [source, { points }] of offences) this.#punish(source, points, now);
    for (const [aor, count] of wrongAnswers)
      database
        .query(
          `INSERT INTO wrong_answers (aor, minute, count) VALUES (?1, ?2, ?3)
           ON CONFLICT (aor) DO UPDATE SET minute = ?2, count = ?3 + CASE WHEN minute = ?2 THEN count ELSE 0 END`,
        )
        .run(aor, Math.floor(now / MINUTE_MS), count);
    for (const [id, end] of spentNonces)
      database
        .query('INSERT OR REPLACE INTO nonces (id, count, expiry) VALUES (?, ?, ?)')
        .run(id, SPENT_NONCE_COUNT, end);
  }

  #punish(source: string, points: number, now: number): void {
    const { database, policy } = this;
    const ban = database
      .query<{ until: number; times: number }, [string]>('SELECT until, times FROM bans WHERE source = ?')
      .get(source);
    if (ban && ban.until > now) return;
    const suspect = database
      .query<{ score: number; at: number }, [string]>('SELECT score, at FROM suspects WHERE source = ?')
      .get(source);
    const score = points + (suspect ? suspect.score * 2 ** ((suspect.at - now) / HALF_LIFE_MS) : 0);
    if (score < policy.banThreshold) {
      database.query('INSERT OR REPLACE INTO suspects (source, score, at) VALUES (?, ?, ?)').run(source, score, now);
      return;
    }
    const times = (ban?.times ?? 0) + 1;
    const ms = Math.min(policy.banSeconds * 1000 * 2 ** (times - 1), LONGEST_BAN_MS);
    database.query('INSERT OR REPLACE INTO bans (source, until, times) VALUES (?, ?, ?)').run(source, now + ms, times);
    database.query('DELETE FROM suspects WHERE source = ?').run(source);
  }

  #forget(now: number): void {
    const { database } = this;
    database.query('DELETE FROM bans WHERE until <= ?').run(now - BAN_MEMORY_MS);
    // Half a point, as decayed.
    database.query('DELETE FROM suspects WHERE score < 0.5 * pow(2, (? - at) / ?)').run(now, HALF_LIFE_MS);
    database.query('DELETE FROM wrong_answers WHERE minute < ?').run(Math.floor(now / MINUTE_MS));
  }

  #trim(): void {
    for (const [table, key, order] of [
      ['bans', 'source', 'until'],
      ['suspects', 'source', 'at'],
      ['wrong_answers', 'aor', 'count'],
    ])
      this.database
        .query(
          `DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table} ORDER BY ${order} DESC LIMIT -1 OFFSET ?)`,
        )
        .run(MAX_ROWS);
  }

  #state(now: number): AbuseState {
    const { database } = this;
    const bans = database
      .query<{ source: string; until: number }, [number]>('SELECT source, until FROM bans WHERE until > ?')
      .all(now);
    const suspects = database
      .query<{ source: string; score: number; at: number }, []>('SELECT source, score, at FROM suspects')
      .all();
    const wrong = database.query<{ aor: string; count: number }, []>('SELECT aor, count FROM wrong_answers').all();
    return {
      bans,
      scores: new Map(suspects.map(({ source, score, at }) => [source, score * 2 ** ((at - now) / HALF_LIFE_MS)])),
      wrongAnswers: new Map(wrong.map(({ aor, count }) => [aor, count])),
    };
  }
}
