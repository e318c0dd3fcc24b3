import { join } from 'node:path';
import { onCleanup, temporaryDirectory } from './cleanup.ts';
import { freePort } from './net.ts';
import { spawnProcess } from './process.ts';
import { type RedisServer, startRedis } from './redis.ts';

const HOST = '127.0.0.1';
const START_DEADLINE_MS = 30_000;
const SENTINELS = 3;

export interface SentinelCluster {
  /** The first one is the master. */
  readonly servers: readonly [RedisServer, RedisServer];
  readonly masterName: string;
  /** `host:port,host:port,…` */
  readonly sentinels: string;
  /** Resolves when a sentinel has named this server the master. */
  promoted(server: RedisServer): Promise<void>;
}

/** A master, its replica and three sentinels, which take a second to notice that the master is gone. */
export async function startSentinels(): Promise<SentinelCluster> {
  const masterName = 'jambonz';
  const master = await startRedis();
  const replica = await startRedis({ args: ['--replicaof', HOST, String(master.port)] });
  const sentinels = await Promise.all(
    Array.from({ length: SENTINELS }, async () => {
      const port = await freePort();
      const file = join(temporaryDirectory('sentinel'), 'sentinel.conf');
      const settings = [
        `port ${port}`,
        `bind ${HOST}`,
        `sentinel monitor ${masterName} ${HOST} ${master.port} 2`,
        `sentinel down-after-milliseconds ${masterName} 1000`,
        `sentinel failover-timeout ${masterName} 5000`,
      ];
      await Bun.write(file, `${settings.join('\n')}\n`);
      const process = spawnProcess('redis-server', [file, '--sentinel']);
      onCleanup(() => process.kill('SIGKILL'));
      await process.line(/\+monitor master/, START_DEADLINE_MS);
      // A failover needs to know the replica and the other sentinels.
      await process.line(/\+slave slave/, START_DEADLINE_MS);
      for (let i = 1; i < SENTINELS; i++) await process.line(/\+sentinel sentinel/, START_DEADLINE_MS);
      return { port, process };
    }),
  );
  return {
    servers: [master, replica],
    masterName,
    sentinels: sentinels.map(({ port }) => `${HOST}:${port}`).join(),
    async promoted({ port }) {
      const named = new RegExp(`\\+switch-master ${masterName} \\S+ \\d+ \\S+ ${port}$`);
      await Promise.any(sentinels.map(({ process }) => process.line(named, START_DEADLINE_MS)));
    },
  };
}
