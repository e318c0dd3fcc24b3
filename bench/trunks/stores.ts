import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AdminClient } from '../../src/admin/client.ts';
import { temporaryDirectory } from '../../test/support/cleanup.ts';
import { type Mariadb, mysqlVariables, openDatabase } from '../../test/support/mariadb.ts';
import { startRedis } from '../../test/support/redis.ts';
import { passwordOf } from './peer.ts';

export const STORES = ['sqlite', 'servers'] as const;
export type Kind = (typeof STORES)[number];

export interface Stores {
  readonly env: Readonly<Record<string, string>>;
  /** Adds carriers at a port of 127.0.0.1, and has the sidecar read them. */
  add(trunks: number, port: number, admin: AdminClient): Promise<void>;
}

const ROWS_PER_INSERT = 1000;
const REALM = 'carrier.test';
const ADD_TIMEOUT_MS = 120_000;

export function openStores(kind: Kind): Promise<Stores> {
  return kind === 'sqlite' ? embedded() : servers();
}

async function embedded(): Promise<Stores> {
  const path = join(temporaryDirectory('bench-trunks'), 'provision.toml');
  await writeFile(path, '');
  return {
    env: { SIDECAR_PROVISION: path },
    async add(trunks, port, admin) {
      const carriers = names(trunks).map((name) =>
        [
          `[[carrier]]\nname = "${name}"`,
          `register = { username = "${name}", password = "${passwordOf(name)}", realm = "${REALM}" }`,
          `[[carrier.gateway]]\nhost = "127.0.0.1"\nport = ${port}\n`,
        ].join('\n'),
      );
      await writeFile(path, carriers.join('\n'));
      await admin.request('reload', {}, ADD_TIMEOUT_MS);
    },
  };
}

async function servers(): Promise<Stores> {
  const [redis, mariadb] = await Promise.all([startRedis(), openDatabase()]);
  return {
    env: {
      ENCRYPTION_SECRET: 'bench-encryption-secret',
      JAMBONES_REDIS_HOST: redis.host,
      JAMBONES_REDIS_PORT: String(redis.port),
      ...mysqlVariables(mariadb),
    },
    async add(trunks, port, admin) {
      const rows = names(trunks).map((name) => ({ name, carrier: crypto.randomUUID(), gateway: crypto.randomUUID() }));
      for (let i = 0; i < rows.length; i += ROWS_PER_INSERT)
        await insert(mariadb, rows.slice(i, i + ROWS_PER_INSERT), port);
      await admin.request('trunk-refresh', {}, ADD_TIMEOUT_MS);
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
