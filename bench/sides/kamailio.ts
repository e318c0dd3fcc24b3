import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { killAtExit, onCleanup, temporaryDirectory } from '../../test/support/cleanup.ts';
import { within } from '../../test/support/deadline.ts';
import { createDatabase, type Mariadb, startMariadb } from '../../test/support/mariadb.ts';
import { freePort } from '../../test/support/net.ts';
import { spawnProcess } from '../../test/support/process.ts';
import { processTree } from '../lib/proc.ts';
import { REALM } from '../lib/sidecar.ts';
import { type Absent, type Side, untilAnswering, versionOf } from './side.ts';

const HOST = '127.0.0.1';
const PROGRAM = Bun.which('kamailio') ?? '/usr/sbin/kamailio';
/** Of Debian's kamailio-mysql-modules. */
const SCHEMA = '/usr/share/kamailio/mysql';
const PASSWORD = 'bench-password';
const STOP_MS = 10_000;
const ROWS_PER_INSERT = 1000;
/** Two processes that serve SIP over UDP. */
const WORKERS = 2;
/** Keep one Contact per AOR, the latest: each registration of the benchmark has a new one. */
const SAVE_ONE_CONTACT = '0x04';

/** Kamailio with its bindings in memory and one password for all users: it needs no database. */
export async function kamailioInMemory(): Promise<Side | Absent> {
  const name = 'Kamailio, in memory';
  if (!existsSync(PROGRAM)) return { name, missing: 'not installed: apt install kamailio' };
  return start(name, {
    modules: ['auth'],
    authenticate: `pv_www_authenticate("${REALM}", "${PASSWORD}", "0")`,
    parameters: ['modparam("usrloc", "db_mode", 0)'],
  });
}

/**
 * Kamailio with users and bindings in a MariaDB of its own: each REGISTER with credentials reads the password, and each
 * change of a binding is written (`db_mode` 1) and synced to disk.
 */
export async function kamailioInMariadb(users: number): Promise<Side | Absent> {
  const name = 'Kamailio, MariaDB';
  if (!existsSync(PROGRAM) || !existsSync(SCHEMA))
    return { name, missing: 'not installed: apt install kamailio kamailio-mysql-modules' };
  const database = await createDatabase(await startMariadb({ synced: true }));
  await fill(database, users);
  const { host, port, user, password } = database;
  const url = `mysql://${user}:${password}@${host}:${port}/${database.database}`;
  const side = await start(name, {
    modules: ['db_mysql', 'auth', 'auth_db'],
    authenticate: `www_authorize("${REALM}", "subscriber")`,
    parameters: [
      'modparam("usrloc", "db_mode", 1)',
      `modparam("usrloc|auth_db", "db_url", "${url}")`,
      'modparam("auth_db", "calculate_ha1", 1)',
      'modparam("auth_db", "password_column", "password")',
    ],
  });
  return {
    ...side,
    processes: [...side.processes, { name: 'MariaDB', pid: database.pid }],
    versions: { ...side.versions, MariaDB: await versionOf(['mariadbd', '--version'], /Ver ([\d.]+)/) },
  };
}

async function fill({ pool }: Mariadb, users: number): Promise<void> {
  for (const part of ['standard', 'usrloc', 'auth_db']) {
    const statements = await readFile(join(SCHEMA, `${part}-create.sql`), 'utf8');
    for (const statement of statements.split(';')) if (statement.trim() !== '') await pool.query(statement);
  }
  const rows = Array.from({ length: users }, (_, i) => [`user${i + 1}`, REALM, PASSWORD]);
  for (let i = 0; i < rows.length; i += ROWS_PER_INSERT)
    await pool.query('INSERT INTO subscriber (username, domain, password) VALUES ?', [
      rows.slice(i, i + ROWS_PER_INSERT),
    ]);
}

interface Registrar {
  readonly modules: readonly string[];
  /** The call that checks the credentials of a REGISTER. */
  readonly authenticate: string;
  readonly parameters: readonly string[];
}

async function start(name: string, registrar: Registrar): Promise<Side> {
  const directory = temporaryDirectory('bench-kamailio');
  const file = join(directory, 'kamailio.cfg');
  const port = await freePort();
  await Bun.write(file, configuration(port, registrar));
  const server = spawnProcess(PROGRAM, [
    ...['-f', file, '-P', join(directory, 'pid'), '-Y', directory],
    // In the foreground with its children; log to stderr; megabytes of shared and private memory.
    ...['-DD', '-E', '-m', '256', '-M', '16'],
  ]);
  const target = { host: HOST, port };
  const ended = server.exited.then(({ code }) => {
    throw new Error(`kamailio ended with ${code}:\n${server.lines.join('\n')}`);
  });
  await Promise.race([untilAnswering(name, target), ended]);
  const processes = processTree({ name: 'program', pid: server.pid });
  // The children would outlive a main process that is killed.
  for (const { pid } of processes) killAtExit(pid);
  onCleanup(async () => {
    server.kill('SIGTERM');
    await within(server.exited, STOP_MS, 'end of Kamailio').catch(() => {});
  });
  return {
    name,
    target,
    passwordPattern: PASSWORD,
    processes,
    versions: { Kamailio: await versionOf([PROGRAM, '-v'], /kamailio ([\d.]+)/) },
  };
}

function configuration(port: number, { modules, authenticate, parameters }: Registrar): string {
  const loaded = ['sl', 'tm', 'pv', 'textops', 'siputils', 'usrloc', 'registrar', ...modules];
  return `#!KAMAILIO
children=${WORKERS}
disable_tcp=yes
dns=no
rev_dns=no
auto_aliases=no
listen=udp:${HOST}:${port}
${loaded.map((module) => `loadmodule "${module}.so"`).join('\n')}
${parameters.join('\n')}
request_route {
  if (is_method("OPTIONS")) {
    sl_send_reply("200", "OK");
    exit;
  }
  if (!is_method("REGISTER")) {
    sl_send_reply("405", "Method Not Allowed");
    exit;
  }
  if (!${authenticate}) {
    www_challenge("${REALM}", "1");
    exit;
  }
  save("location", "${SAVE_ONE_CONTACT}");
}
`;
}
