import { describe, expect, test } from 'bun:test';
import { openMysql } from '../../src/adapters/sql/mysql.ts';
import { readConfig } from '../../src/config/index.ts';
import { disposedAfterEach } from '../support/after-each.ts';
import { authority, serverCertificate } from '../support/certificates.ts';
import { openDatabase } from '../support/mariadb.ts';

const mariadb = await openDatabase();
const opened = disposedAfterEach();

type Settings = Readonly<Record<string, string>>;

/** A pool as the sidecar opens it. */
function open(settings: Settings) {
  const { mysql } = readConfig({
    SIDECAR_EMBEDDED: '1',
    ENCRYPTION_SECRET: 'secret',
    JAMBONES_MYSQL_HOST: mariadb.host,
    JAMBONES_MYSQL_PORT: String(mariadb.port),
    JAMBONES_MYSQL_USER: mariadb.user,
    JAMBONES_MYSQL_PASSWORD: mariadb.password,
    JAMBONES_MYSQL_DATABASE: mariadb.database,
    ...settings,
  });
  return opened.adopt(openMysql(mysql, mysql.reader).pool.promise(), (each) => each.end());
}

/** The TLS cipher of a connection; empty without TLS. */
async function cipher(settings: Settings): Promise<string> {
  const [rows] = await open(settings).query("SHOW STATUS LIKE 'Ssl_cipher'");
  return (rows as { Value: string }[])[0]?.Value ?? 'unknown';
}

// A MySQL that is not ours has certificates of its own.
describe.if(mariadb.own)('TLS to MySQL', () => {
  const CA = { JAMBONES_MYSQL_SSL_CA_FILE: authority.own.caFile };

  test('is not used unless a certificate or an unchecked server is configured', async () => {
    expect(await cipher({})).toBe('');
    expect(await cipher(CA)).not.toBe('');
    expect(await cipher({ JAMBONES_MYSQL_REJECT_UNAUTHORIZED: '0' })).not.toBe('');
  });

  test('trusts a server only with a certificate of the configured CA', async () => {
    await expect(cipher({ JAMBONES_MYSQL_SSL_CA_FILE: authority.stranger.caFile })).rejects.toThrow(/certificate/);
  });

  test('trusts any server when certificates are not checked', async () => {
    const unchecked = {
      JAMBONES_MYSQL_SSL_CA_FILE: authority.stranger.caFile,
      JAMBONES_MYSQL_REJECT_UNAUTHORIZED: '0',
    };
    expect(await cipher(unchecked)).not.toBe('');
  });

  test('presents the client certificate to a user who must have one', async () => {
    const user = { ...CA, JAMBONES_MYSQL_USER: mariadb.certifiedUser };
    await expect(cipher(user)).rejects.toThrow(/Access denied/);
    const { certFile, keyFile } = serverCertificate();
    const certificate = { JAMBONES_MYSQL_SSL_CERT_FILE: certFile, JAMBONES_MYSQL_SSL_KEY_FILE: keyFile };
    expect(await cipher({ ...user, ...certificate })).not.toBe('');
  });
});

test('queries share as many connections as are configured, and those beyond 1000 waiting are refused', async () => {
  const pool = open({ JAMBONES_MYSQL_CONNECTION_LIMIT: '2' });
  const queries = Array.from({ length: 1003 }, () => pool.query('SELECT CONNECTION_ID() AS id'));
  const outcomes = await Promise.allSettled(queries);
  const ids = outcomes.flatMap((each) =>
    each.status === 'fulfilled' ? (each.value[0] as { id: number }[]).map(({ id }) => id) : [],
  );
  expect([new Set(ids).size, ids.length]).toEqual([2, 1002]);
});
