import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AdminConnection } from '../../src/admin/client.ts';
import { type Mariadb, openDatabase } from '../../test/support/mariadb.ts';
import { startRedis } from '../../test/support/redis.ts';
import { passwordOf } from './peer.ts';

export type Kind = 'sqlite' | 'servers';

/** Where the sidecar keeps things, and how carriers come to be there. */
export interface Stores {
  readonly kind: Kind;
  /** What the sidecar's environment says of them. */
  readonly env: Readonly<Record<string, string>>;
  /** Puts carriers there that register at a port of 127.0.0.1, and has the sidecar see them. */
  add(trunks: number, port: number, admin: AdminConnection): Promise<void>;
}

/** Rows of one INSERT. */
const CHUNK = 1000;
const REALM = 'carrier.test';
/** Provisioning ten thousand carriers takes seconds. */
const ADD_TIMEOUT_MS = 120_000;

export function openStores(kind: Kind, directory: string): Promise<Stores> {
  return kind === 'sqlite' ? embedded(directory) : servers();
}

/** SQLite and a provisioning file, both the sidecar's own. */
async function embedded(directory: string): Promise<Stores> {
  const path = join(directory, 'provision.toml');
  await writeFile(path, '');
  return {
    kind: 'sqlite',
    env: { SIDECAR_DATA: join(directory, 'data'), SIDECAR_PROVISION: path },
    async add(trunks, port, admin) {
      const carriers = names(trunks).map((name) =>
        [
          `[[carrier]]\nname = "${name}"`,
          `register = { username = "${name}", password = "${passwordOf(name)}", realm = "${REALM}" }`,
          `[[carrier.gateway]]\nhost = "127.0.0.1"\nport = ${port}\n`,
        ].join('\n'),
      );
      await writeFile(path, carriers.join('\n'));
      await admin.ask('reload', {}, ADD_TIMEOUT_MS);
    },
  };
}

/** A Redis and a MariaDB of our own. */
async function servers(): Promise<Stores> {
  const [redis, mariadb] = await Promise.all([startRedis(), openDatabase()]);
  return {
    kind: 'servers',
    env: {
      ENCRYPTION_SECRET: 'bench-encryption-secret',
      JAMBONES_REDIS_HOST: redis.host,
      JAMBONES_REDIS_PORT: String(redis.port),
      JAMBONES_MYSQL_HOST: mariadb.host,
      JAMBONES_MYSQL_PORT: String(mariadb.port),
      JAMBONES_MYSQL_USER: mariadb.user,
      JAMBONES_MYSQL_PASSWORD: mariadb.password,
      JAMBONES_MYSQL_DATABASE: mariadb.database,
    },
    async add(trunks, port, admin) {
      const rows = names(trunks).map((name) => ({ name, carrier: crypto.randomUUID(), gateway: crypto.randomUUID() }));
      for (let i = 0; i < rows.length; i += CHUNK) await insert(mariadb, rows.slice(i, i + CHUNK), port);
      await admin.ask('trunk-refresh', {}, ADD_TIMEOUT_MS);
    },
  };
}

async function insert(
  { pool }: Mariadb,
  rows: readonly { name: string; carrier: string; gateway: string }[],
  port: number,
): Promise<void> {
  await pool.query(
    `INSERT INTO voip_carriers (voip_carrier_sid, name, requires_register, register_username, register_sip_realm,
       register_password) VALUES ?`,
    [rows.map(({ name, carrier }) => [carrier, name, 1, name, REALM, passwordOf(name)])],
  );
  await pool.query('INSERT INTO sip_gateways (sip_gateway_sid, voip_carrier_sid, ipv4, port, outbound) VALUES ?', [
    rows.map(({ carrier, gateway }) => [gateway, carrier, '127.0.0.1', port, 1]),
  ]);
}

function names(trunks: number): string[] {
  return Array.from({ length: trunks }, (_, i) => `trunk${i + 1}`);
}
