import { type Mariadb, mysqlVariables, openDatabase } from '../../test/support/mariadb.ts';
import { insertAccount, insertClients } from '../../test/support/schema.ts';
import { type SentinelCluster, startSentinels } from '../../test/support/sentinels.ts';
import { REALM } from '../lib/sidecar.ts';
import { type Drachtio, startDrachtio } from './drachtio.ts';
import { Failovers } from './failovers.ts';
import { REPLICAS, SIDECARS } from './schedule.ts';
import { Sidecar } from './sidecars.ts';

/** How long the sentinels wait: longer than a server on a busy machine keeps them waiting. */
const DOWN_AFTER_MS = 2000;
const ENCRYPTION_SECRET = 'chaos-encryption-secret';

export interface World {
  readonly sidecars: readonly Sidecar[];
  readonly cluster: SentinelCluster;
  readonly failovers: Failovers;
  readonly mariadb: Mariadb;
  readonly drachtio: Drachtio;
  readonly users: readonly { readonly user: string; readonly password: string }[];
}

/** Starts everything; resolves when the sidecars are ready. */
export async function startWorld(options: {
  binary: string;
  drachtio: string | undefined;
  users: number;
}): Promise<World> {
  const [cluster, mariadb, drachtio] = await Promise.all([
    startSentinels({ replicas: REPLICAS, downAfterMs: DOWN_AFTER_MS }),
    openDatabase(),
    startDrachtio(options.drachtio),
  ]);
  const users = Array.from({ length: options.users }, (_, i) => ({
    user: `user${i + 1}`,
    password: `password${i + 1}`,
  }));
  const accountSid = await insertAccount(mariadb, { realm: REALM });
  await insertClients(
    mariadb,
    users.map(({ user: username, password }) => ({ accountSid, username, password, secret: ENCRYPTION_SECRET })),
  );
  const env = {
    ...drachtio.env,
    ...mysqlVariables(mariadb),
    JAMBONES_REDIS_SENTINELS: cluster.sentinels,
    JAMBONES_REDIS_SENTINEL_MASTER_NAME: cluster.masterName,
    JAMBONES_TIME_SERIES_HOST: 'none',
    ENCRYPTION_SECRET,
  };
  const names = Array.from({ length: SIDECARS }, (_, i) => `sidecar ${i + 1}`);
  const sidecars = await Promise.all(names.map((name) => Sidecar.start(name, options.binary, env)));
  await Promise.all(sidecars.map((sidecar) => sidecar.ready()));
  return { sidecars, cluster, failovers: new Failovers(cluster), mariadb, drachtio, users };
}
