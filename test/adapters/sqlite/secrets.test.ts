import type { Database } from 'bun:sqlite';
import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SqlCarriers } from '../../../src/adapters/sql/carriers.ts';
import { ClientPasswordCipher } from '../../../src/adapters/sql/client-password.ts';
import { SqlDirectory } from '../../../src/adapters/sql/directory.ts';
import { kyselyOver } from '../../../src/adapters/sql/sqlite.ts';
import { DataError } from '../../../src/adapters/sqlite/data-error.ts';
import { decryptedCarriers, decryptedDirectory } from '../../../src/adapters/sqlite/decrypted.ts';
import { openSqlite } from '../../../src/adapters/sqlite/open.ts';
import { SqliteProvisioning } from '../../../src/adapters/sqlite/provisioning.ts';
import { ownSecret, unlockSecrets } from '../../../src/adapters/sqlite/settings.ts';
import { parseProvisioning } from '../../../src/provision/file.ts';
import { temporaryDirectory } from '../../support/cleanup.ts';
import { RecordingLogger } from '../../support/logger.ts';
import { sqlServer } from '../../support/sql-server.ts';
import { ManualTimers } from '../../support/timers.ts';

const SECRETS = ['client-pässword', 'hook-password', 'hook-secret', 'trunk-password'] as const;
const [CLIENT, HOOK_PASSWORD, HOOK_SECRET, TRUNK] = SECRETS;
const TOML = `
[[account]]
realm = "clients.test"
[[account.client]]
username = "alice"
password = "${CLIENT}"
[[account]]
realm = "hook.test"
[account.webhook]
url = "https://hook.test/"
username = "u"
password = "${HOOK_PASSWORD}"
secret = "${HOOK_SECRET}"
[[carrier]]
name = "c"
register = { username = "me", password = "${TRUNK}" }
[[carrier.gateway]]
host = "192.0.2.1"
`;

interface Keyed {
  readonly given?: string;
  readonly legacy?: boolean;
  readonly replaced?: boolean;
}

/** Opens the database as `serve` does, with or without ENCRYPTION_SECRET. */
function open(path: string, { given, legacy = false, replaced = false }: Keyed) {
  const database = openSqlite(path);
  const cipher = new ClientPasswordCipher(given ?? ownSecret(database), legacy);
  try {
    unlockSecrets(database, path, cipher, { given, legacy, replaced });
  } catch (error) {
    database.close();
    throw error;
  }
  return { database, cipher, provisioning: new SqliteProvisioning(database, cipher) };
}

function provisioned(keyed: Keyed): string {
  const path = temporaryDirectory('secrets');
  const { database, provisioning } = open(path, keyed);
  provisioning.apply(parseProvisioning(TOML, 'p.toml'));
  database.close();
  return path;
}

async function secretsIn(database: Database, cipher: ClientPasswordCipher): Promise<unknown[]> {
  const server = sqlServer(kyselyOver(database), 'SQLite');
  const logger = new RecordingLogger();
  const directory = decryptedDirectory(new SqlDirectory(server, 10_000, cipher, new ManualTimers(), logger), cipher);
  const carriers = decryptedCarriers(new SqlCarriers(server, server, logger), cipher);
  const account = await directory.accountByRealm('clients.test');
  const client = await directory.client(account?.sid ?? '', 'alice');
  const webhook = (await directory.accountByRealm('hook.test'))?.webhook;
  const [trunk] = (await carriers.read()).trunks;
  return [client?.password, webhook?.password, webhook?.secret, trunk?.password];
}

/** All bytes of all files. */
function bytesOf(path: string): string {
  return readdirSync(path)
    .map((name) => readFileSync(join(path, name), 'utf8'))
    .join('\n');
}

describe('the secrets of the provisioning file', () => {
  test.each([{}, { given: 'k' }, { given: 'k', legacy: true }])(
    'are stored encrypted and read back: %o',
    async (keyed) => {
      const path = provisioned(keyed);
      for (const secret of SECRETS) expect(bytesOf(path)).not.toContain(secret);
      const { database, cipher } = open(path, keyed);
      expect(await secretsIn(database, cipher)).toEqual([...SECRETS]);
      database.close();
    },
  );

  test('have a key outside of the data directory once ENCRYPTION_SECRET is given, and nothing of the old one stays', async () => {
    const path = provisioned({});
    const before = openSqlite(path);
    const own = ownSecret(before);
    before.close();
    expect(bytesOf(path)).toContain(own);
    for (let start = 0; start < 2; start++) {
      const { database, cipher } = open(path, { given: 'k' });
      expect(await secretsIn(database, cipher)).toEqual([...SECRETS]);
      database.close();
    }
    expect(bytesOf(path)).not.toContain(own);
  });

  test('are readable after LEGACY_CRYPTO has been turned on or off', async () => {
    const path = provisioned({ given: 'k' });
    for (const legacy of [true, false]) {
      const { database, cipher } = open(path, { given: 'k', legacy });
      expect(await secretsIn(database, cipher)).toEqual([...SECRETS]);
      database.close();
    }
  });

  test.each<[Keyed, Keyed, RegExp]>([
    [{ given: 'k' }, { given: 'other' }, /encrypted with another ENCRYPTION_SECRET; give that one, .*type mv/],
    [{ given: 'k' }, {}, /encrypted with an ENCRYPTION_SECRET, which is missing; give that one, .*type mv/],
    [{ given: 'k', legacy: true }, { given: 'other', legacy: true }, /encrypted with another ENCRYPTION_SECRET/],
  ])(
    'with another key are refused, unless a provisioning file replaces them: %o, %o',
    async (first, second, message) => {
      const path = provisioned(first);
      expect(() => open(path, second)).toThrow(DataError);
      expect(() => open(path, second)).toThrow(message);
      const { database, cipher, provisioning } = open(path, { ...second, replaced: true });
      provisioning.apply(parseProvisioning(TOML, 'p.toml'));
      expect(await secretsIn(database, cipher)).toEqual([...SECRETS]);
      database.close();
      open(path, second).database.close();
    },
  );

  test('that an earlier version stored in clear are encrypted', async () => {
    const path = provisioned({});
    const { database } = open(path, {});
    database.run("DELETE FROM settings WHERE name = 'proof'");
    database.run('UPDATE webhooks SET password = ?', [HOOK_PASSWORD]);
    database.run('UPDATE accounts SET webhook_secret = ? WHERE webhook_secret IS NOT NULL', [HOOK_SECRET]);
    database.run('UPDATE voip_carriers SET register_password = ?', [TRUNK]);
    database.close();
    expect(bytesOf(path)).toContain(TRUNK);
    const next = open(path, {});
    expect(await secretsIn(next.database, next.cipher)).toEqual([...SECRETS]);
    next.database.close();
    for (const secret of SECRETS) expect(bytesOf(path)).not.toContain(secret);
  });
});
