import { mysqlVariables, openDatabase } from '../../test/support/mariadb.ts';
import { startRedis } from '../../test/support/redis.ts';
import { insertAccount, insertClients } from '../../test/support/schema.ts';
import { startDrachtio } from '../chaos/drachtio.ts';
import { Sidecar } from '../chaos/sidecars.ts';
import { measureApart } from '../lib/apart.ts';
import { addClientIndex, mariadbProcess } from '../lib/mariadb.ts';
import { portOf } from '../lib/server.ts';
import { startSidecar } from '../lib/sidecar.ts';
import { SIDES, type Side, type SideReport, type SidesPlan } from '../register/sides.ts';
import type { Settings } from './settings.ts';

export interface Measured {
  /** At the rate of the settings. */
  readonly paced: readonly SideReport[];
  /** As many as are answered. */
  readonly ceiling: readonly SideReport[];
}

type Processes = Pick<Side, 'port' | 'processes'>;

const ENCRYPTION_SECRET = 'bench-encryption-secret';
const PASSWORD = 'bench-password';

/** @throws when it cannot be measured */
export async function measure(settings: Settings): Promise<Measured> {
  const [redis, mariadb] = await Promise.all([startRedis(), openDatabase()]);
  await addClientIndex(mariadb);
  const env = {
    ...mysqlVariables(mariadb),
    ENCRYPTION_SECRET,
    JAMBONES_REDIS_HOST: redis.host,
    JAMBONES_REDIS_PORT: String(redis.port),
    JAMBONES_TIME_SERIES_HOST: 'none',
    JAMBONES_LOGLEVEL: 'info',
  };
  const stores = [{ name: 'Redis', pid: redis.pid }, await mariadbProcess(mariadb)];
  const sides: Side[] = [];
  for (const count of [1, settings.sidecars]) {
    const realm = `cores-${count}.test`;
    const accountSid = await insertAccount(mariadb, { realm });
    const clients = Array.from({ length: settings.phones }, (_, i) => `user${i + 1}`);
    await insertClients(
      mariadb,
      clients.map((username) => ({ accountSid, username, password: PASSWORD, secret: ENCRYPTION_SECRET })),
    );
    const { port, processes } =
      settings.front === 'edge' ? await edges(settings, count, env) : await behindDrachtio(settings, count, env);
    sides.push({
      name: count === 1 ? '1 sidecar' : `${count} sidecars`,
      port,
      phones: { users: settings.phones, realm, userPattern: 'user%d', passwordPattern: PASSWORD },
      processes: [...processes, ...stores],
    });
  }
  const { works, rate, concurrency, seconds, warmup, runs } = settings;
  const plan: SidesPlan = { sides, works, rate, concurrency, seconds, warmup, runs };
  return {
    paced: await measureApart(SIDES, plan, settings.under),
    ceiling: await measureApart(SIDES, { ...plan, rate: 0 }, settings.under),
  };
}

async function behindDrachtio({ binary, drachtio }: Settings, count: number, env: Record<string, string>) {
  const server = await startDrachtio(drachtio);
  const names = Array.from({ length: count }, (_, i) => `sidecar ${i + 1}`);
  const own = { ...env, ...server.env };
  const sidecars = await Promise.all(names.map((name) => Sidecar.start(name, binary, own)));
  await Promise.all(sidecars.map((sidecar) => sidecar.ready()));
  const processes = sidecars.map(({ name, process }) => ({ name, pid: process.pid }));
  return { port: server.sip.port, processes: [...processes, { name: 'drachtio', pid: server.process.pid }] };
}

async function edges({ binary }: Settings, count: number, env: Record<string, string>): Promise<Processes> {
  const processes: { name: string; pid: number }[] = [];
  let port = 0;
  for (let i = 1; i <= count; i++) {
    const shared = { ...env, SIDECAR_SHARE_PORTS: '1' };
    const sidecar = await startSidecar(binary, { listen: ['udp'], port, env: shared });
    port = portOf(sidecar, 'udp');
    processes.push({ name: `sidecar ${i}`, pid: sidecar.pid });
  }
  return { port, processes };
}
