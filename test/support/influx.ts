import { join } from 'node:path';
import { onCleanup, removeTemporaryDirectory, temporaryDirectory } from './cleanup.ts';
import { within } from './deadline.ts';
import { eventually } from './eventually.ts';
import { freePort, waitForPort } from './net.ts';
import { type SpawnedProcess, spawnProcess } from './process.ts';
import { basicCredentials, secret } from './secrets.ts';

const HOST = '127.0.0.1';
const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 15_000;
const QUERY_DEADLINE_MS = 10_000;

/** A point: its tags, fields and time; null for those that other points of its measurement have and it has not. */
export type InfluxRow = Readonly<Record<string, string | null>>;

/** InfluxDB 1.x. */
export interface InfluxServer {
  readonly host: string;
  readonly port: number;
  /** @returns the result of the first statement as rows; none when the database or the measurement is missing */
  rows(database: string, query: string): Promise<readonly InfluxRow[]>;
  /** Resolves with the points of a measurement of the same name once there are at least `count` that match. */
  points(database: string, count: number, match?: Partial<InfluxRow>): Promise<readonly InfluxRow[]>;
  /** Ends it and keeps its data. */
  stop(): Promise<void>;
  /** Restarts it on the same port. */
  start(): Promise<void>;
  /** Freezes it: connections stay open, but nothing is answered. */
  pause(): Promise<void>;
  resume(): void;
}

export interface InfluxOptions {
  /** The only user, who may do everything, as `name:password`; unless given, no authentication is required. */
  readonly user?: string;
  /** Default true. */
  readonly started?: boolean;
}

/** Starts an influxd, without databases, on a free port of 127.0.0.1. */
export async function startInflux({ user, started = true }: InfluxOptions = {}): Promise<InfluxServer> {
  const directory = temporaryDirectory('influx');
  const [port, rpcPort] = [await freePort(), await freePort()];
  const config = join(directory, 'influxdb.conf');
  await Bun.write(
    config,
    `reporting-disabled = true
bind-address = "${HOST}:${rpcPort}"
[meta]
dir = "${join(directory, 'meta')}"
[data]
dir = "${join(directory, 'data')}"
wal-dir = "${join(directory, 'wal')}"
[http]
bind-address = "${HOST}:${port}"
auth-enabled = ${user !== undefined}
[monitor]
store-enabled = false
`,
  );
  let server: SpawnedProcess | undefined;
  const end = async (signal: NodeJS.Signals) => {
    server?.kill(signal);
    server?.kill('SIGCONT');
    if (server) await within(server.exited, STOP_DEADLINE_MS, 'end of influxd');
  };
  onCleanup(async () => {
    await end('SIGKILL');
    removeTemporaryDirectory(directory);
  });
  const rows = (database: string, query: string) => queryRows({ port, user }, database, query);
  const influx: InfluxServer = {
    host: HOST,
    port,
    rows,
    points(database, count, match = {}) {
      let last: readonly InfluxRow[] = [];
      const probe = async () => {
        last = (await rows(database, `SELECT * FROM ${database}`)).filter((row) => Bun.deepMatch(match, row));
        return last.length >= count ? last : undefined;
      };
      return eventually(`${count} points of ${database}`, probe, { describe: () => last });
    },
    stop: () => end('SIGTERM'),
    async start() {
      server = spawnProcess('influxd', ['run', '-config', config]);
      await waitForPort(HOST, port, START_DEADLINE_MS);
    },
    async pause() {
      await server?.freeze();
    },
    resume: () => server?.kill('SIGCONT'),
  };
  if (!started) return influx;
  await influx.start();
  if (user !== undefined) {
    const [name = '', password = ''] = user.split(':');
    basicCredentials(name, secret('the password of InfluxDB', password));
    await queryRows({ port }, '', `CREATE USER ${name} WITH PASSWORD '${password}' WITH ALL PRIVILEGES`);
  }
  return influx;
}

interface QueryResult {
  readonly results?: readonly {
    readonly series?: readonly {
      readonly columns: readonly string[];
      readonly values: readonly (readonly (string | null)[])[];
    }[];
  }[];
}

interface Access {
  readonly port: number;
  readonly user?: string | undefined;
}

async function queryRows({ port, user }: Access, database: string, query: string): Promise<readonly InfluxRow[]> {
  const parameters = new URLSearchParams({ db: database, q: query });
  const response = await fetch(`http://${HOST}:${port}/query`, {
    method: 'POST',
    headers: user === undefined ? {} : { authorization: `Basic ${btoa(user)}` },
    body: parameters,
    signal: AbortSignal.timeout(QUERY_DEADLINE_MS),
  });
  const { results }: QueryResult = JSON.parse(await response.text());
  return (results?.[0]?.series ?? []).flatMap(({ columns, values }) =>
    values.map((row) => Object.fromEntries(columns.map((column, i) => [column, row[i] ?? null]))),
  );
}
