import { join } from 'node:path';
import { temporaryDirectory } from '../../test/support/cleanup.ts';
import { createDatabase, type MariadbServer, mysqlVariables, startMariadb } from '../../test/support/mariadb.ts';
import { spawnProcess } from '../../test/support/process.ts';
import { startRedis } from '../../test/support/redis.ts';
import { insertAccount, insertClients } from '../../test/support/schema.ts';
import { startDrachtio } from '../chaos/drachtio.ts';
import { Sidecar } from '../chaos/sidecars.ts';
import { REALM } from '../lib/sidecar.ts';
import { MAX_LINES, sidecarVersion } from './embedded.ts';
import { type Side, untilAnswering, versionOf } from './side.ts';

const PASSWORD = 'bench-password';
const ENCRYPTION_SECRET = 'bench-encryption-secret';
/** Devices of the account: more than there are users. */
const RATIO = 10_000_000;

export interface ProductionOptions {
  readonly binary: string;
  readonly users: number;
  /** Path of a drachtio server; undefined: the double of the tests. */
  readonly drachtio: string | undefined;
}

/** What a sidecar of production has beside it: servers of its own, but for MariaDB, which is asked rarely. */
interface Beside {
  readonly env: Readonly<Record<string, string>>;
  readonly side: Omit<Side, 'name'>;
}

/** The compiled sidecar behind a drachtio server, with Redis and MariaDB. @param mariadb by default one is started */
export async function production(options: ProductionOptions, mariadb?: MariadbServer): Promise<Side> {
  const { env, side } = await startBeside(options, mariadb);
  const variables = { ...env, JAMBONES_TIME_SERIES_HOST: 'none' };
  const sidecar = await Sidecar.start('sidecar', options.binary, variables, MAX_LINES);
  await sidecar.ready();
  await untilAnswering('sidecar', side.target);
  return {
    ...side,
    name: 'sidecar, Redis',
    processes: [{ name: 'program', pid: sidecar.process.pid }, ...side.processes],
    versions: { ...side.versions, sidecar: await sidecarVersion(options.binary) },
  };
}

/** The Node program that the sidecar replaces, on equal servers. @param directory its checkout, with node_modules */
export async function nodeProgram(
  directory: string,
  options: ProductionOptions,
  mariadb?: MariadbServer,
): Promise<Side> {
  const { env, side } = await startBeside(options, mariadb);
  const program = spawnProcess('node', [join(directory, 'app.js')], {
    cwd: directory,
    maxLines: MAX_LINES,
    env: {
      ...env,
      // It must have one; alerts are sent only when something fails.
      JAMBONES_TIME_SERIES_HOST: '127.0.0.1',
      JAMBONES_LOGLEVEL: 'info',
      SBC_SOCKET_PATH: join(temporaryDirectory('bench-node'), 'admin.sock'),
    },
  });
  await untilAnswering('the Node program', side.target);
  return {
    ...side,
    name: 'Node program',
    processes: [{ name: 'program', pid: program.pid }, ...side.processes],
    versions: { ...side.versions, Node: await versionOf(['node', '--version'], /v(.*)/) },
  };
}

async function startBeside({ users, drachtio }: ProductionOptions, shared?: MariadbServer): Promise<Beside> {
  const [redis, mariadb, server] = await Promise.all([startRedis(), shared ?? startMariadb(), startDrachtio(drachtio)]);
  const database = await createDatabase(mariadb);
  const accountSid = await insertAccount(database, { realm: REALM, deviceToCallRatio: RATIO });
  await database.pool.query('CREATE INDEX account_username ON clients (account_sid, username)');
  await insertClients(
    database,
    Array.from({ length: users }, (_, i) => ({
      accountSid,
      username: `user${i + 1}`,
      password: PASSWORD,
      secret: ENCRYPTION_SECRET,
    })),
  );
  return {
    env: {
      ...server.env,
      ...mysqlVariables(database),
      JAMBONES_REDIS_HOST: redis.host,
      JAMBONES_REDIS_PORT: String(redis.port),
      ENCRYPTION_SECRET,
    },
    side: {
      target: server.sip,
      passwordPattern: PASSWORD,
      processes: [
        { name: drachtio === undefined ? 'double of drachtio' : 'drachtio', pid: server.process.pid },
        { name: 'Redis', pid: redis.pid },
        { name: 'MariaDB', pid: mariadb.pid },
      ],
      versions: {
        drachtio: drachtio === undefined ? 'double of the tests' : await versionOf([drachtio, '-v'], /v(.*)/),
        Redis: await versionOf(['redis-server', '--version'], /v=(\S+)/),
        MariaDB: await versionOf(['mariadbd', '--version'], /Ver ([\d.]+)/),
      },
    },
  };
}
