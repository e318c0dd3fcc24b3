import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createConnection, createPool, type Pool } from 'mysql2/promise';
import { onCleanup, removeTemporaryDirectory, temporaryDirectory } from './cleanup.ts';
import { within } from './deadline.ts';
import { freePort } from './net.ts';
import { type SpawnedProcess, spawnProcess } from './process.ts';

const HOST = '127.0.0.1';
const DATABASE = 'jambones_test';
const USER = 'jambones';
const PASSWORD = 'jambones-password';
const INSTALL_DEADLINE_MS = 60_000;
const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 15_000;
const DISCONNECT_DEADLINE_MS = 1000;
const CONNECTIONS = 10;
/** Small logs, because writing the default 100 MB takes most of a server's start. */
const SIZES = ['--innodb-log-file-size=8M', '--aria-log-file-size=8M', '--innodb-buffer-pool-size=64M'];

export interface Mariadb {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Whether we started the server: only then can it be paused, resumed, stopped and started. */
  readonly own: boolean;
  readonly pool: Pool;
  /** Freezes the server: connections stay open, but nothing is answered once this has resolved. */
  pause(): Promise<void>;
  resume(): void;
  /** Ends the server cleanly and keeps its data. Resolves when the process has ended. */
  stop(): Promise<void>;
  /** Restarts it on the same port; resolves when `pool` answers. */
  start(): Promise<void>;
}

let shared: Promise<Mariadb> | undefined;

/**
 * One MariaDB for all tests, with the tables of schema.sql in the database `jambones_test`. With MYSQL_ROOT_PASSWORD set,
 * the MySQL server at 127.0.0.1:MYSQL_PORT (3306) is used instead: the database is created anew there and dropped at the
 * end.
 */
export function sharedMariadb(): Promise<Mariadb> {
  shared ??= open();
  return shared;
}

function open(): Promise<Mariadb> {
  const { MYSQL_ROOT_PASSWORD, MYSQL_PORT } = process.env;
  if (MYSQL_ROOT_PASSWORD === undefined) return startServer();
  return useServer(Number(MYSQL_PORT || 3306), MYSQL_ROOT_PASSWORD);
}

async function useServer(port: number, password: string): Promise<Mariadb> {
  const access = { host: HOST, port, user: 'root', password };
  const administer = async (...statements: string[]) => {
    const connection = await createConnection(access);
    try {
      for (const statement of statements) await connection.query(statement);
    } finally {
      await connection.end();
    }
  };
  await administer(`DROP DATABASE IF EXISTS ${DATABASE}`, `CREATE DATABASE ${DATABASE} CHARACTER SET utf8mb4`);
  await createTables(access);
  const pool = openPool(access);
  onCleanup(async () => {
    await within(pool.end(), DISCONNECT_DEADLINE_MS, 'disconnecting from MySQL');
    await administer(`DROP DATABASE ${DATABASE}`);
  });
  const notOurs = () => {
    throw new Error('this MySQL server is not ours to stop: unset MYSQL_ROOT_PASSWORD');
  };
  return {
    ...access,
    database: DATABASE,
    own: false,
    pool,
    pause: async () => notOurs(),
    resume: notOurs,
    stop: async () => notOurs(),
    start: async () => notOurs(),
  };
}

async function startServer(): Promise<Mariadb> {
  const directory = temporaryDirectory('mariadb');
  const data = join(directory, 'data');
  await install(data);
  const initFile = join(directory, 'init.sql');
  // Runs at each start. The server needs each statement on a line of its own.
  const initial = [
    `CREATE DATABASE IF NOT EXISTS ${DATABASE} CHARACTER SET utf8mb4;`,
    `CREATE USER IF NOT EXISTS '${USER}'@'${HOST}' IDENTIFIED BY '${PASSWORD}';`,
    `GRANT ALL ON ${DATABASE}.* TO '${USER}'@'${HOST}';`,
  ];
  await Bun.write(initFile, `${initial.join('\n')}\n`);
  const port = await freePort();
  const launch = () => launchServer({ directory, data, initFile, port });
  let server = await launch();
  const access = { host: HOST, port, user: USER, password: PASSWORD };
  await createTables(access);
  const pool = openPool(access);
  onCleanup(async () => {
    server.kill('SIGCONT');
    try {
      await within(pool.end(), DISCONNECT_DEADLINE_MS, 'disconnecting from MariaDB');
    } finally {
      server.kill('SIGKILL');
      await within(server.exited, STOP_DEADLINE_MS, 'end of MariaDB');
      removeTemporaryDirectory(directory);
    }
  });
  return {
    ...access,
    database: DATABASE,
    own: true,
    pool,
    pause: () => server.freeze(),
    resume: () => server.kill('SIGCONT'),
    stop: async () => {
      server.kill('SIGTERM');
      server.kill('SIGCONT');
      await within(server.exited, STOP_DEADLINE_MS, 'end of MariaDB');
    },
    start: async () => {
      server = await launch();
      await answer(pool);
    },
  };
}

/** MariaDB refuses to run as root unless told to. */
function asRoot(): string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : [];
}

async function install(data: string): Promise<void> {
  const options = ['--auth-root-authentication-method=normal', '--skip-test-db', `--datadir=${data}`];
  const installer = spawnProcess('mariadb-install-db', ['--no-defaults', ...options, ...SIZES, ...asRoot()]);
  let end: { code: number | null };
  try {
    end = await within(installer.exited, INSTALL_DEADLINE_MS, 'mariadb-install-db');
  } finally {
    installer.kill('SIGKILL');
  }
  if (end.code !== 0) throw new Error(`mariadb-install-db ended with ${end.code}:\n${installer.lines.join('\n')}`);
}

async function launchServer(where: { directory: string; data: string; initFile: string; port: number }) {
  const server: SpawnedProcess = spawnProcess(Bun.which('mariadbd') ?? '/usr/sbin/mariadbd', [
    '--no-defaults',
    ...asRoot(),
    `--datadir=${where.data}`,
    `--socket=${join(where.directory, 'mariadb.sock')}`,
    `--pid-file=${join(where.directory, 'mariadb.pid')}`,
    `--init-file=${where.initFile}`,
    `--port=${where.port}`,
    `--bind-address=${HOST}`,
    ...SIZES,
    '--innodb-flush-log-at-trx-commit=2',
    '--skip-log-bin',
    '--skip-name-resolve',
    '--performance-schema=OFF',
  ]);
  try {
    await server.line(/ready for connections/, START_DEADLINE_MS);
  } catch (error) {
    server.kill('SIGKILL');
    throw error;
  }
  return server;
}

async function createTables(access: { host: string; port: number; user: string; password: string }): Promise<void> {
  const connection = await createConnection({ ...access, database: DATABASE, multipleStatements: true });
  try {
    await connection.query(await readFile(new URL('schema.sql', import.meta.url), 'utf8'));
  } finally {
    await connection.end();
  }
}

function openPool(access: { host: string; port: number; user: string; password: string }): Pool {
  return createPool({ ...access, database: DATABASE, connectionLimit: CONNECTIONS });
}

/** After a restart each pooled connection fails once before it is replaced. */
async function answer(pool: Pool): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await within(pool.query('SELECT 1'), START_DEADLINE_MS, 'answer of MariaDB');
      return;
    } catch (error) {
      if (attempt === CONNECTIONS) throw error;
    }
  }
}
