import { join } from 'node:path';
import type { Listener } from '../../src/edge/index.ts';
import { sidecarBinary } from '../support/binary.ts';
import type { TestCertificate } from '../support/certificates.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { type Mariadb, mysqlVariables } from '../support/mariadb.ts';
import { freePort } from '../support/net.ts';
import { type SpawnedProcess, spawnProcess } from '../support/process.ts';
import type { RedisServer } from '../support/redis.ts';
import { provisioned } from '../support/secrets.ts';

/** Of sidecars with {@link outsideStores}, unless another is given. */
export const ENCRYPTION_SECRET = 'key of the outside stores';

const HOST = '127.0.0.1';
const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 30_000;
const COMMAND_DEADLINE_MS = 30_000;

type Protocol = Listener['proto'];

interface Address {
  readonly host: string;
  readonly port: number;
}

export interface RunningSidecar {
  readonly process: SpawnedProcess;
  readonly sip: Address;
  listener(protocol: Protocol): Address;
  readonly socketPath: string;
  /** Sends SIGTERM. @returns the exit code */
  stop(): Promise<number | null>;
}

export interface SidecarOptions {
  readonly args?: readonly string[];
  /** For UDP and TCP; default: one that is free. */
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** In addition to UDP and TCP. */
  readonly listen?: readonly Exclude<Protocol, 'udp' | 'tcp'>[];
  /** Further addresses to listen on, as in `--sip`. */
  readonly further?: readonly string[];
  readonly certificate?: TestCertificate;
}

/** Starts the compiled binary in embedded mode on free ports. Resolves when it is ready. */
export async function startEmbedded(options: SidecarOptions): Promise<RunningSidecar> {
  const { args = [], env = {}, listen = [], further = [], certificate } = options;
  const binary = await sidecarBinary();
  // UDP and TCP share a port, so it cannot be 0.
  const port = options.port ?? (await freePort());
  const own = [`udp/${HOST}:${port}`, `tcp/${HOST}:${port}`, ...listen.map((protocol) => `${protocol}/${HOST}:0`)];
  const sip = [...own, ...further];
  const tls = certificate ? ['--tls-cert', certificate.certFile, '--tls-key', certificate.keyFile] : [];
  const cwd = temporaryDirectory('sidecar');
  const socketPath = join(cwd, 'admin.sock');
  const sidecar = spawnProcess(binary, ['serve', '--embedded', '--sip', sip.join(), ...tls, ...args], {
    env: { SBC_SOCKET_PATH: socketPath, ...env },
    cwd,
  });
  onCleanup(() => sidecar.kill('SIGKILL'));
  await sidecar.line(/is ready, embedded/, START_DEADLINE_MS);
  const [listeners] = await sidecar.line(/^ +SIP +udp\/.*/, START_DEADLINE_MS);
  return {
    process: sidecar,
    sip: { host: HOST, port },
    listener(protocol) {
      const found = new RegExp(` ${protocol}/${HOST}:(\\d+)`).exec(listeners);
      if (!found) throw new Error(`no listener for ${protocol}: ${listeners}`);
      return { host: HOST, port: Number(found[1]) };
    },
    socketPath,
    async stop() {
      sidecar.kill('SIGTERM');
      return (await within(sidecar.exited, STOP_DEADLINE_MS, 'end of the sidecar')).code;
    },
  };
}

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export async function cli({ socketPath }: { socketPath: string }, ...args: string[]): Promise<Outcome> {
  const command = spawnProcess(await sidecarBinary(), args, { env: { SBC_SOCKET_PATH: socketPath } });
  const { code } = await within(command.exited, COMMAND_DEADLINE_MS, `end of ${args.join(' ')}`);
  return { code, stdout: command.stdout.join('\n'), stderr: command.stderr.join('\n') };
}

/** Writes a temporary file, which may be a provisioning file. @returns its path */
export async function fileWith(name: string, content: string): Promise<string> {
  const path = join(temporaryDirectory('file'), name);
  provisioned(content);
  await Bun.write(path, content);
  return path;
}

/** Variables that replace SQLite by Redis and MariaDB. */
export function outsideStores(redis: RedisServer, mysql: Mariadb, secret = ENCRYPTION_SECRET): Record<string, string> {
  return {
    JAMBONES_REDIS_HOST: redis.host,
    JAMBONES_REDIS_PORT: String(redis.port),
    ...mysqlVariables(mysql),
    ENCRYPTION_SECRET: secret,
  };
}

/** Variables that have alerts saved in InfluxDB. */
export function influxVariables({ host, port }: Address): Record<string, string> {
  return { JAMBONES_TIME_SERIES_HOST: host, JAMBONES_TIME_SERIES_PORT: String(port) };
}
