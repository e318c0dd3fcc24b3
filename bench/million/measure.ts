import { requestOnce } from '../../src/admin/client.ts';
import type { Mariadb } from '../../test/support/mariadb.ts';
import type { RedisServer } from '../../test/support/redis.ts';
import { measureApart } from '../lib/apart.ts';
import { mariadbProcess } from '../lib/mariadb.ts';
import { portOf } from '../lib/server.ts';
import { type Sidecar, startSidecar } from '../lib/sidecar.ts';
import { SIDES, type Side, type SideReport, type SidesPlan } from '../register/sides.ts';
import { LIST, type ListPlan, type ListReport } from './list.ts';
import { RECONCILIATION, type ReconciliationPlan, type ReconciliationReport } from './reconciliation.ts';
import type { Settings } from './settings.ts';
import { fillDatabase, fillRedis, memoryOf, phonesOf, type Size, variablesOf } from './stores.ts';

export interface Measured {
  readonly bytesPerBinding: number;
  readonly redisMb: number;
  readonly growth?: readonly SideReport[];
  readonly lookups?: readonly SideReport[];
  readonly reconciliation?: ReconciliationReport;
  readonly list?: ListReport;
}

interface Place {
  readonly name: string;
  readonly size: Size;
  readonly redis: RedisServer;
  readonly mariadb: Mariadb;
}

const CACHED_SECONDS = 3600;
/** While users are first registered. */
const CONCURRENCY = 50;
const RECONCILED_MS = 120_000;

/** @throws when a part cannot be measured */
export async function measure(settings: Settings): Promise<Measured> {
  const { parts, many, few, realms } = settings;
  const most: Size = { users: many, realms };
  const least: Size = { users: few, realms: Math.max(1, Math.round((realms * few) / many)) };
  const large = { name: `${many}`, size: most, redis: await fillRedis(most), mariadb: await fillDatabase(most, true) };
  const small = {
    name: `${few}`,
    size: least,
    redis: await fillRedis(least),
    mariadb: await fillDatabase(least, true),
  };
  const { used, resident } = await memoryOf(large.redis);
  const wants = (part: Settings['parts'][number]) => parts.includes(part);
  const lookups = async () => {
    const plain = { ...large, name: `${many}, no index`, mariadb: await fillDatabase(most, false) };
    return compare(settings, [small, large, plain], { refreshSeconds: 0, works: ['full'] });
  };
  return {
    bytesPerBinding: used / many,
    redisMb: resident / 2 ** 20,
    ...(wants('growth') && {
      growth: await compare(settings, [small, large], { refreshSeconds: CACHED_SECONDS, works: ['full', 'refresh'] }),
    }),
    ...(wants('lookups') && { lookups: await lookups() }),
    ...(wants('reconciliation') && { reconciliation: await reconcile(settings, large) }),
    ...(wants('list') && { list: await list(settings, large) }),
  };
}

async function compare(
  settings: Settings,
  places: readonly Place[],
  { refreshSeconds, works }: { refreshSeconds: number; works: SidesPlan['works'] },
): Promise<SideReport[]> {
  const { rate, seconds, warmup, runs } = settings;
  await using open = new AsyncDisposableStack();
  const sides: Side[] = [];
  for (const place of places) {
    const { name, size, redis, mariadb } = place;
    const sidecar = await start(settings, place, refreshSeconds);
    open.defer(() => stop(sidecar));
    sides.push({
      name,
      port: portOf(sidecar, 'udp'),
      phones: phonesOf(size, settings.phones),
      processes: [watched(sidecar), { name: 'Redis', pid: redis.pid }, await mariadbProcess(mariadb)],
    });
  }
  const plan: SidesPlan = { sides, works, rate, concurrency: CONCURRENCY, seconds, warmup, runs };
  return await measureApart(SIDES, plan, settings.under);
}

function reconcile(settings: Settings, { size, redis, mariadb }: Place): Promise<ReconciliationReport> {
  const { binary, rate, seconds, warmup, phones } = settings;
  const plan: ReconciliationPlan = {
    binary,
    env: variablesOf(redis, mariadb, CACHED_SECONDS),
    redis: { name: 'Redis', pid: redis.pid },
    phones: phonesOf(size, phones),
    rate,
    seconds,
    warmup,
  };
  return measureApart(RECONCILIATION, plan, settings.under);
}

async function list(settings: Settings, place: Place): Promise<ListReport> {
  const { binary } = settings;
  const sidecar = await start(settings, place, CACHED_SECONDS);
  try {
    const redis = { name: 'Redis', pid: place.redis.pid };
    const { socketPath } = sidecar;
    const plan: ListPlan = { binary, socketPath, sidecar: watched(sidecar), redis };
    return await measureApart(LIST, plan, settings.under);
  } finally {
    await stop(sidecar);
  }
}

/** Resolves when it has reconciled, which is work that others would be charged with. */
async function start({ binary }: Settings, { redis, mariadb }: Place, refreshSeconds: number): Promise<Sidecar> {
  const sidecar = await startSidecar(binary, {
    listen: ['udp'],
    env: { ...variablesOf(redis, mariadb, refreshSeconds), JAMBONES_LOGLEVEL: 'debug' },
  });
  await sidecar.process.line(/realm indexes reconciled/, RECONCILED_MS);
  await requestOnce('set', { key: 'logLevel', value: 'info' }, { socketPath: sidecar.socketPath });
  return sidecar;
}

async function stop(sidecar: Sidecar): Promise<void> {
  const code = await sidecar.stop();
  if (code !== 0) throw new Error(`the sidecar ended with ${code}`);
}

function watched({ name, pid }: Sidecar) {
  return { name, pid };
}
