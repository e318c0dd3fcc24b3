/** An error reply of Redis, and what it means: 'Unavailable', or the code of a fault of one question. */
export interface ReplyError {
  readonly reply: string;
  readonly outcome: string;
}

/** Every kind of error reply of Redis. */
export const REPLY_ERRORS: readonly ReplyError[] = [
  { reply: 'LOADING Redis is loading the dataset in memory', outcome: 'Unavailable' },
  { reply: "READONLY You can't write against a read only replica.", outcome: 'Unavailable' },
  {
    reply: "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    outcome: 'Unavailable',
  },
  { reply: 'NOAUTH Authentication required.', outcome: 'Unavailable' },
  { reply: 'WRONGPASS invalid username-password pair or user is disabled.', outcome: 'Unavailable' },
  { reply: 'DENIED Redis is running in protected mode', outcome: 'Unavailable' },
  { reply: 'CLUSTERDOWN The cluster is down', outcome: 'Unavailable' },
  { reply: 'BUSY Redis is busy running a script.', outcome: 'Unavailable' },
  { reply: 'UNKILLABLE Sorry the script already executed write commands.', outcome: 'Unavailable' },
  { reply: 'OOM command not allowed when used memory > maxmemory.', outcome: 'OOM' },
  { reply: 'MISCONF Redis is configured to save RDB snapshots, but cannot persist on disk.', outcome: 'MISCONF' },
  { reply: 'NOREPLICAS Not enough good replicas to write.', outcome: 'NOREPLICAS' },
  { reply: "NOPERM this user has no permissions to run the 'get' command", outcome: 'NOPERM' },
  { reply: 'WRONGTYPE Operation against a key holding the wrong kind of value', outcome: 'WRONGTYPE' },
  { reply: 'MOVED 3999 127.0.0.1:6381', outcome: 'MOVED' },
  { reply: 'ASK 3999 127.0.0.1:6381', outcome: 'ASK' },
  { reply: 'TRYAGAIN Multiple keys request during rehashing of slot', outcome: 'TRYAGAIN' },
  { reply: "CROSSSLOT Keys in request don't hash to the same slot", outcome: 'CROSSSLOT' },
  { reply: 'EXECABORT Transaction discarded because of previous errors.', outcome: 'EXECABORT' },
  { reply: 'NOSCRIPT No matching script. Please use EVAL.', outcome: 'NOSCRIPT' },
  { reply: "ERR unknown command 'EVALSHA'", outcome: 'ERR' },
  { reply: 'ERR value is not an integer or out of range', outcome: 'ERR' },
  { reply: 'nonsense', outcome: 'ERR' },
];

/** Sent in place of any answer; the server closes the connection then. */
export const TOO_MANY_CLIENTS = 'ERR max number of clients reached';

/** An error reply as that of the script in which it occurred. */
export function withinScript(reply: string): { readonly by: string; readonly message: string }[] {
  const sha = 'f'.repeat(40);
  const redis6 = `ERR Error running script (call to f_${sha}): @user_script:57: `;
  return [
    { by: 'Redis 6', message: `${redis6}${reply}` },
    { by: 'Redis 6 (of a command that it does not run)', message: `${redis6}@user_script: 57: -${reply}` },
    { by: 'Redis 7', message: `${reply} script: ${sha}, on @user_script:57.` },
  ];
}

/** An error of MySQL, as its protocol has it. */
export interface MysqlError {
  readonly code: string;
  readonly errno: number;
  readonly sqlState: string;
  /** Sent in place of the greeting or the answer to the login: there is no query. */
  readonly onConnect?: true;
  readonly outcome: string;
}

/** Every class of errors of MySQL and MariaDB. */
export const MYSQL_ERRORS: readonly MysqlError[] = [
  { code: 'ER_CON_COUNT_ERROR', errno: 1040, sqlState: '08004', onConnect: true, outcome: 'Unavailable' },
  { code: 'ER_ACCESS_DENIED_ERROR', errno: 1045, sqlState: '28000', onConnect: true, outcome: 'Unavailable' },
  { code: 'ER_BAD_DB_ERROR', errno: 1049, sqlState: '42000', onConnect: true, outcome: 'Unavailable' },
  { code: 'ER_HOST_IS_BLOCKED', errno: 1129, sqlState: 'HY000', onConnect: true, outcome: 'Unavailable' },
  { code: 'ER_SERVER_SHUTDOWN', errno: 1053, sqlState: '08S01', outcome: 'Unavailable' },
  { code: 'ER_NET_READ_ERROR', errno: 1158, sqlState: '08S01', outcome: 'Unavailable' },
  { code: 'ER_QUERY_INTERRUPTED', errno: 1317, sqlState: '70100', outcome: 'Unavailable' },
  { code: 'ER_CONNECTION_KILLED', errno: 1927, sqlState: '70100', outcome: 'Unavailable' },
  { code: 'ER_QUERY_TIMEOUT', errno: 3024, sqlState: 'HY000', outcome: 'Unavailable' },
  { code: 'ER_NET_PACKET_TOO_LARGE', errno: 1153, sqlState: '08S01', outcome: 'ER_NET_PACKET_TOO_LARGE' },
  { code: 'ER_OPTION_PREVENTS_STATEMENT', errno: 1290, sqlState: 'HY000', outcome: 'ER_OPTION_PREVENTS_STATEMENT' },
  { code: 'ER_LOCK_WAIT_TIMEOUT', errno: 1205, sqlState: 'HY000', outcome: 'ER_LOCK_WAIT_TIMEOUT' },
  { code: 'ER_LOCK_DEADLOCK', errno: 1213, sqlState: '40001', outcome: 'ER_LOCK_DEADLOCK' },
  { code: 'ER_BAD_FIELD_ERROR', errno: 1054, sqlState: '42S22', outcome: 'ER_BAD_FIELD_ERROR' },
  { code: 'ER_NO_SUCH_TABLE', errno: 1146, sqlState: '42S02', outcome: 'ER_NO_SUCH_TABLE' },
  { code: 'ER_TABLEACCESS_DENIED_ERROR', errno: 1142, sqlState: '42000', outcome: 'ER_TABLEACCESS_DENIED_ERROR' },
  { code: 'ER_PARSE_ERROR', errno: 1064, sqlState: '42000', outcome: 'ER_PARSE_ERROR' },
  { code: 'ER_DISK_FULL', errno: 1021, sqlState: 'HY000', outcome: 'ER_DISK_FULL' },
  { code: 'ER_CRASHED_ON_USAGE', errno: 1194, sqlState: 'HY000', outcome: 'ER_CRASHED_ON_USAGE' },
  { code: 'ER_DUP_ENTRY', errno: 1062, sqlState: '23000', outcome: 'ER_DUP_ENTRY' },
  { code: 'ER_DATA_TOO_LONG', errno: 1406, sqlState: '22001', outcome: 'ER_DATA_TOO_LONG' },
];

/** An error as mysql2 throws it. */
export function mysqlError({ code, errno, sqlState, onConnect }: MysqlError): Error {
  const error = Object.assign(new Error(`the text of ${code}`), { code, errno, sqlState });
  return onConnect ? error : Object.assign(error, { sql: 'SELECT 1' });
}
