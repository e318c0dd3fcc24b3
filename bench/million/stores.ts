import { createConnection } from 'mysql2/promise';
import { bindingToJson } from '../../src/adapters/binding-json.ts';
import { ClientPasswordCipher } from '../../src/adapters/sql/client-password.ts';
import { type Mariadb, mysqlVariables, openDatabase } from '../../test/support/mariadb.ts';
import { type RedisServer, startRedis } from '../../test/support/redis.ts';
import { addClientIndex } from '../lib/mariadb.ts';
import type { Side } from '../register/sides.ts';

const PASSWORD = 'bench-password';
const ENCRYPTION_SECRET = 'bench-encryption-secret';
const BUFFER_POOL_BYTES = 1 << 30;
const BINDINGS_PER_SCRIPT = 10_000;
const HOUR_MS = 3_600_000;

/** User n of `users` is in realm 1 + (n - 1) mod `realms`, as the phones of a load are. */
export interface Size {
  readonly users: number;
  readonly realms: number;
}

/** The first of the users. */
export function phonesOf({ users, realms }: Size, most: number): Side['phones'] {
  return {
    users: Math.min(users, most),
    realm: 'realm%d.test',
    realms,
    userPattern: 'user%d',
    passwordPattern: PASSWORD,
  };
}

export async function fillRedis(size: Size): Promise<RedisServer> {
  const redis = await startRedis();
  const expiry = Date.now() + 2 * HOUR_MS;
  for (let first = 1; first <= size.users; first += BINDINGS_PER_SCRIPT) {
    const last = Math.min(size.users, first + BINDINGS_PER_SCRIPT - 1);
    await redis.client.eval(FILL, 0, first, last, size.realms, expiry, templateOf(expiry));
  }
  return redis;
}

/** What the sidecar stores for a phone with one Contact. ARGV first and last user, realms, expiry in ms, JSON. */
const FILL = `
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local realm = 'realm' .. (1 + (i - 1) % tonumber(ARGV[3])) .. '.test'
  local key = 'user:user' .. i .. '@' .. realm
  redis.call('SET', key, (ARGV[5]:gsub('USER', i)), 'PXAT', ARGV[4])
  redis.call('ZADD', 'active-user', ARGV[4], key)
  redis.call('ZADD', 'sidecar:realm:' .. realm, ARGV[4], key)
  redis.call('SADD', 'sidecar:realms', realm)
end
`;

function templateOf(expiryTime: number): string {
  const contact = 'sip:phone-USER-0123456789@127.0.1.17:40000';
  const binding = {
    key: contact,
    uri: contact,
    contact,
    contactParams: '',
    callId: 'USER-0123456789@127.0.1.17',
    cseq: 2,
    protocol: 'udp',
    proxy: 'sip:127.0.1.17:40000',
    sbcAddress: 'sip:127.0.0.1:5060',
    privateSbcAddress: 'sip:127.0.0.1:5060',
    userAgent: 'register-bench',
    grant: { allowDirectAppCalling: true, allowDirectQueueCalling: true, allowDirectUserCalling: true },
    expiryTime,
    savedAt: expiryTime - 2 * HOUR_MS,
  };
  return bindingToJson({ binding, rank: 0 });
}

export async function fillDatabase({ users, realms }: Size, indexed: boolean): Promise<Mariadb> {
  const database = await openDatabase();
  await enlargeBufferPool(database);
  const { pool } = database;
  const sid = (name: string, n: string) =>
    `INSERT(INSERT(INSERT(INSERT(MD5(CONCAT('${name}', ${n})), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-')`;
  await pool.query(
    `INSERT INTO accounts (account_sid, name, sip_realm)
     SELECT ${sid('account', 'seq')}, CONCAT('account ', seq), CONCAT('realm', seq, '.test') FROM seq_1_to_${realms}`,
  );
  await pool.query(
    `INSERT INTO clients (client_sid, account_sid, username, password)
     SELECT ${sid('client', 'seq')}, ${sid('account', `(1 + (seq - 1) MOD ${realms})`)}, CONCAT('user', seq), ?
     FROM seq_1_to_${users}`,
    [new ClientPasswordCipher(ENCRYPTION_SECRET, false).encrypt(PASSWORD)],
  );
  if (indexed) await addClientIndex(database);
  return database;
}

/** Redis and MySQL of a sidecar that reads a client again after this many seconds. */
export function variablesOf(redis: RedisServer, mariadb: Mariadb, refreshSeconds: number): Record<string, string> {
  return {
    ...mysqlVariables(mariadb),
    ENCRYPTION_SECRET,
    JAMBONES_REDIS_HOST: redis.host,
    JAMBONES_REDIS_PORT: String(redis.port),
    JAMBONES_MYSQL_REFRESH_TTL: String(refreshSeconds),
    JAMBONES_LOGLEVEL: 'info',
  };
}

/** Bytes of its data, and those the process has taken from the system for them. */
export async function memoryOf({ client }: RedisServer): Promise<{ used: number; resident: number }> {
  const info = await client.info('memory');
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]);
  return { used: field('used_memory'), resident: field('used_memory_rss') };
}

/** The tests' server has 64 MB, which a million clients do not fit into. */
async function enlargeBufferPool({ host, port }: Mariadb): Promise<void> {
  const root = await createConnection({ host, port, user: 'root' });
  try {
    await root.query(`SET GLOBAL innodb_buffer_pool_size = ${BUFFER_POOL_BYTES}`);
  } finally {
    await root.end();
  }
}
