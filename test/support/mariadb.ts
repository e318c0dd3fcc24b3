import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConnectionOptions, createConnection, createPool, type Pool } from 'mysql2/promise';
import { onCleanup, removeTemporaryDirectory, temporaryDirectory } from './cleanup.ts';
import { within } from './deadline.ts';
import { freePort } from './net.ts';
import { type SpawnedProcess, spawnProcess } from './process.ts';
import { startRestartable } from './restartable.ts';

const HOST = '127.0.0.1';
/** Each database has this and a number of its own. */
const DATABASES = 'jambones_test_';
const USER = 'jambones';
const PASSWORD = 'jambones-password';
const INSTALL_DEADLINE_MS = 60_000;
const START_DEADLINE_MS = 30_000;
const DISCONNECT_DEADLINE_MS = 10_000;
const CONNECTIONS = 10;
/** Small logs, because writing the default 100 MB takes most of a server's start. */
const SIZES = ['--innodb-log-file-size=8M', '--aria-log-file-size=8M', '--innodb-buffer-pool-size=64M'];

export interface MariadbServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Whether we started the server: only then can it be paused, resumed, stopped and started. */
  readonly own: boolean;
  /** 0: it is not ours. */
  readonly pid: number;
  /** Sends a signal. Resolves when the process has ended, after SIGSTOP when it has stopped, after SIGCONT at once. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Freezes the server: connections stay open, but nothing is answered once this has resolved. */
  pause(): Promise<void>;
  resume(): void;
  /** Ends the server cleanly and keeps its data. Resolves when the process has ended. Start it again, whatever happens. */
  stop(): Promise<void>;
  /** Restarts it on the same port. */
  start(): Promise<void>;
}

export interface Mariadb extends MariadbServer {
  readonly database: string;
  readonly pool: Pool;
  /** Starts the server again on the same port; resolves when `pool` answers. */
  start(): Promise<void>;
}

/** The server that all test files share. */
let shared: Promise<MariadbServer> | undefined;
let databases = 0;

/**
 * A new database with the tables of schema.sql, on one MariaDB for all test files. With MYSQL_ROOT_PASSWORD set, it is on
 * the MySQL server at 127.0.0.1:MYSQL_PORT (3306) instead, and dropped at the end.
 */
export async function openDatabase(): Promise<Mariadb> {
  shared ??= openServer();
  return createDatabase(await shared);
}

/** A new database with the tables of schema.sql. */
export async function createDatabase(server: MariadbServer): Promise<Mariadb> {
  const { host, port, user, password, own } = server;
  const database = `${DATABASES}${process.pid}_${++databases}`;
  const access = { host, port, user, password };
  await query(access, `CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
  await query({ ...access, database }, await readFile(new URL('schema.sql', import.meta.url), 'utf8'));
  const pool = createPool({ ...access, database, connectionLimit: CONNECTIONS });
  onCleanup(async () => {
    await within(pool.end(), DISCONNECT_DEADLINE_MS, 'disconnecting from MariaDB');
    if (!own) await query(access, `DROP DATABASE ${database}`);
  });
  return {
    ...server,
    get pid() {
      return server.pid;
    },
    database,
    pool,
    start: async () => {
      await server.start();
      await answer(pool);
    },
  };
}

function openServer(): Promise<MariadbServer> {
  const { MYSQL_ROOT_PASSWORD, MYSQL_PORT } = process.env;
  if (MYSQL_ROOT_PASSWORD === undefined) return startMariadb();
  const notOurs = () => {
    throw new Error('this MySQL server is not ours to stop: unset MYSQL_ROOT_PASSWORD');
  };
  return Promise.resolve({
    host: HOST,
    port: Number(MYSQL_PORT || 3306),
    user: 'root',
    password: MYSQL_ROOT_PASSWORD,
    own: false,
    pid: 0,
    kill: async () => notOurs(),
    pause: async () => notOurs(),
    resume: notOurs,
    stop: async () => notOurs(),
    start: async () => notOurs(),
  });
}

/**
 * Starts a server of its own, which databases named `jambones_test_…` can be created on.
 * @param synced whether each commit is synced to disk, as MariaDB does by default
 */
export async function startMariadb({ synced = false } = {}): Promise<MariadbServer> {
  const directory = temporaryDirectory('mariadb');
  const data = join(directory, 'data');
  await install(data);
  const initFile = join(directory, 'init.sql');
  // Runs at each start. The server needs each statement on a line of its own.
  const initial = [
    `CREATE USER IF NOT EXISTS '${USER}'@'${HOST}' IDENTIFIED BY '${PASSWORD}';`,
    `GRANT ALL ON \`${DATABASES.replaceAll('_', '\\_')}%\`.* TO '${USER}'@'${HOST}';`,
  ];
  await Bun.write(initFile, `${initial.join('\n')}\n`);
  const port = await freePort();
  const server = await startRestartable('MariaDB', () => launchServer({ directory, data, initFile, port, synced }));
  onCleanup(async () => {
    await server.kill('SIGKILL');
    removeTemporaryDirectory(directory);
  });
  return {
    host: HOST,
    port,
    user: USER,
    password: PASSWORD,
    own: true,
    get pid() {
      return server.process.pid;
    },
    kill: server.kill,
    pause: () => server.kill('SIGSTOP'),
    resume: () => void server.kill('SIGCONT'),
    stop: () => server.kill('SIGTERM'),
    start: server.start,
  };
}

/** The variables of a sidecar with this database. */
export function mysqlVariables({ host, port, user, password, database }: Mariadb): Record<string, string> {
  return {
    JAMBONES_MYSQL_HOST: host,
    JAMBONES_MYSQL_PORT: String(port),
    JAMBONES_MYSQL_USER: user,
    JAMBONES_MYSQL_PASSWORD: password,
    JAMBONES_MYSQL_DATABASE: database,
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

async function launchServer(where: {
  directory: string;
  data: string;
  initFile: string;
  port: number;
  synced: boolean;
}) {
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
    `--innodb-flush-log-at-trx-commit=${where.synced ? 1 : 2}`,
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

async function query(access: ConnectionOptions, statements: string): Promise<void> {
  const connection = await createConnection({ ...access, multipleStatements: true });
  try {
    await connection.query(statements);
  } finally {
    await connection.end();
  }
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
