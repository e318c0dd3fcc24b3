import { join } from 'node:path';
import { Redis } from 'ioredis';
import { onCleanup, temporaryDirectory } from './cleanup.ts';
import { within } from './deadline.ts';
import { freePort } from './net.ts';
import { spawnProcess } from './process.ts';
import { type RedisServer, startRedis } from './redis.ts';
import { type Restartable, startRestartable } from './restartable.ts';

const HOST = '127.0.0.1';
const START_DEADLINE_MS = 30_000;
const ANSWER_DEADLINE_MS = 300;
const RECONNECT_MS = 20;
const SENTINELS = 3;
/** A master sends its data to a replica at once, not after 5 s; a replica that is restarted does not load the data again. */
const REPLICATION = ['--repl-diskless-sync-delay', '0', '--rdb-del-sync-files', 'yes'];

export interface SentinelCluster {
  /** The first one is the master. */
  readonly servers: readonly [RedisServer, RedisServer, ...RedisServer[]];
  readonly members: readonly Restartable[];
  readonly masterName: string;
  /** `host:port,host:port,…` */
  readonly sentinels: string;
  /** The port of the master that each sentinel names; NaN for one that does not answer. */
  mastersNamed(): Promise<number[]>;
  /** Resolves when a sentinel has named this server the master. */
  promoted(server: RedisServer): Promise<void>;
}

export interface SentinelOptions {
  /** Default 1. */
  readonly replicas?: number;
  /** How long a server does not answer before a sentinel takes it for dead; default 1000. */
  readonly downAfterMs?: number;
}

/** A master, its replicas and three sentinels. */
export async function startSentinels({
  replicas = 1,
  downAfterMs = 1000,
}: SentinelOptions = {}): Promise<SentinelCluster> {
  const masterName = 'jambonz';
  const master = await startRedis({ args: REPLICATION });
  const startReplica = () => startRedis({ args: [...REPLICATION, '--replicaof', HOST, String(master.port)] });
  const [first, ...others] = await Promise.all([startReplica(), ...Array.from({ length: replicas - 1 }, startReplica)]);
  const sentinels = await Promise.all(
    Array.from({ length: SENTINELS }, async () => {
      const port = await freePort();
      // Rewritten by the sentinel: it remembers after a restart what it has learned.
      const file = join(temporaryDirectory('sentinel'), 'sentinel.conf');
      const settings = [
        `port ${port}`,
        `bind ${HOST}`,
        `sentinel monitor ${masterName} ${HOST} ${master.port} 2`,
        `sentinel down-after-milliseconds ${masterName} ${downAfterMs}`,
        `sentinel failover-timeout ${masterName} 5000`,
      ];
      await Bun.write(file, `${settings.join('\n')}\n`);
      const member = await startRestartable('sentinel', async () => {
        const sentinel = spawnProcess('redis-server', [file, '--sentinel']);
        await sentinel.line(/\+monitor master/, START_DEADLINE_MS);
        return sentinel;
      });
      onCleanup(() => member.kill('SIGKILL'));
      // A failover needs to know the replicas and the other sentinels.
      for (const { port } of [first, ...others])
        await member.process.line(new RegExp(`\\+slave slave \\S+:${port} `), START_DEADLINE_MS);
      return { port, member };
    }),
  );
  for (const { port, member } of sentinels)
    for (const other of sentinels)
      if (other.port !== port)
        await member.process.line(new RegExp(`\\+sentinel sentinel .* ${other.port} @`), START_DEADLINE_MS);
  const clients = sentinels.map(({ port }) => {
    const client = new Redis({ host: HOST, port, retryStrategy: () => RECONNECT_MS, enableOfflineQueue: false });
    client.on('error', () => {});
    onCleanup(() => client.disconnect());
    return client;
  });
  return {
    servers: [master, first, ...others],
    members: sentinels.map(({ member }) => member),
    masterName,
    sentinels: sentinels.map(({ port }) => `${HOST}:${port}`).join(),
    mastersNamed: () =>
      Promise.all(
        clients.map(async (client) => {
          try {
            const named = client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName);
            const reply = await within(named, ANSWER_DEADLINE_MS, 'a master');
            return Array.isArray(reply) ? Number(reply[1]) : Number.NaN;
          } catch {
            return Number.NaN;
          }
        }),
      ),
    async promoted({ port }) {
      const named = new RegExp(`\\+switch-master ${masterName} \\S+ \\d+ \\S+ ${port}$`);
      await Promise.any(sentinels.map(({ member }) => member.process.line(named, START_DEADLINE_MS)));
    },
  };
}
