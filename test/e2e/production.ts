import { join } from 'node:path';
import type { Listener } from '../../src/edge/index.ts';
import { sidecarBinary } from '../support/binary.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { DrachtioDouble } from '../support/drachtio/index.ts';
import { RecordingLogger } from '../support/logger.ts';
import { type Mariadb, openDatabase } from '../support/mariadb.ts';
import { freePort } from '../support/net.ts';
import { type SpawnedProcess, spawnProcess } from '../support/process.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { outsideStores } from './sidecar.ts';

export const START_MS = 15_000;

const LISTEN = (['udp', 'tcp'] as const).map((proto) => ({ proto, host: '127.0.0.1', port: 0 }));
const DRACHTIO_SECRET = 'cymru am byth';
const REDIS_PASSWORD = 'password of Redis';

interface RunningDrachtio {
  readonly server: DrachtioDouble;
  readonly sip: { readonly host: string; readonly port: number };
}

/** Disposal ends its sidecars, which would otherwise act on the carriers of later tests. */
export interface Production extends AsyncDisposable {
  readonly redis: RedisServer;
  readonly mysql: Mariadb;
  readonly socketPath: string;
  /** Starts the compiled binary. Does not wait until it is ready. */
  startSidecar(): Promise<SpawnedProcess>;
  /** Starts a drachtio server on the sidecar's DRACHTIO_PORT. @param further addresses to listen on */
  startDrachtio(further?: readonly Listener[]): Promise<RunningDrachtio>;
}

/** Redis and MariaDB, and functions that start a drachtio server and the binary beside it. */
export async function openProduction(more: Readonly<Record<string, string>> = {}): Promise<Production> {
  const [redis, mysql] = await Promise.all([startRedis({ password: REDIS_PASSWORD }), openDatabase()]);
  const controlPort = await freePort();
  const cwd = temporaryDirectory('production');
  const socketPath = join(cwd, 'admin.sock');
  const env = {
    ...outsideStores(redis, mysql),
    JAMBONES_REDIS_PASSWORD: REDIS_PASSWORD,
    DRACHTIO_HOST: '127.0.0.1',
    DRACHTIO_PORT: String(controlPort),
    DRACHTIO_SECRET,
    JAMBONES_TIME_SERIES_HOST: 'none',
    JAMBONES_TIME_SERIES_TOKEN: 'token of InfluxDB',
    HTTP_ADMIN_TOKEN: 'token of operators',
    SBC_SOCKET_PATH: socketPath,
    ...more,
  };
  const sidecars: SpawnedProcess[] = [];
  return {
    redis,
    mysql,
    socketPath,
    async startSidecar() {
      const process = spawnProcess(await sidecarBinary(), ['serve'], { env, cwd });
      sidecars.push(process);
      return process;
    },
    async startDrachtio(further = []) {
      const logger = new RecordingLogger();
      const listen = [...LISTEN, ...further];
      const server = await DrachtioDouble.start({ listen, secret: DRACHTIO_SECRET, controlPort, logger });
      onCleanup(() => server.stop());
      const port = Number(/udp\/127\.0\.0\.1:(\d+)/.exec(server.layer.hostports)?.[1]);
      return { server, sip: { host: '127.0.0.1', port } };
    },
    async [Symbol.asyncDispose]() {
      for (const process of sidecars) process.kill('SIGKILL');
      await Promise.all(sidecars.map((process) => process.exited));
    },
  };
}
