import type { Config } from '../../config/index.ts';
import { withDeadline } from '../../lib/deadline.ts';
import { systemTimers } from '../../lib/timers.ts';
import { openMysql } from './mysql.ts';

const STATEMENT = 'CREATE INDEX clients_account_sid_username ON clients (account_sid, username);';
const TIMEOUT_MS = 3000;

/** Checks for the index that client lookups need. Never rejects. @returns lines to print; none when all is well */
export async function indexAdvice(config: Config['mysql']): Promise<string[]> {
  const { pool } = openMysql(config, config.reader);
  try {
    const query = pool.promise().query("SHOW INDEX FROM clients WHERE Column_name = 'username' AND Seq_in_index <= 2");
    const [rows] = await withDeadline(query, TIMEOUT_MS, () => new Error('no answer in time'), systemTimers);
    if (Array.isArray(rows) && rows.length > 0) return [];
    return [
      'advice: the table clients has no index on username, so each client that is looked up for the first time costs',
      'MySQL a read of its whole account. To have one, type in MySQL:',
      `  ${STATEMENT}`,
    ];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [`note: MySQL could not be asked for its indexes (${why})`];
  } finally {
    pool.end(() => {});
  }
}
