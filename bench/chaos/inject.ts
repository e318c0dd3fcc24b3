import type { Fault } from './schedule.ts';
import type { World } from './world.ts';

const REPLACED_MS = 60_000;
/** How long a Redis fault waits when it comes before the last one is over. */
const WHOLE_MS = 5_000;

/** What can be killed, paused and started again. */
interface Victim {
  /** Of a Redis server. */
  readonly port?: number;
  kill(signal: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
  /** Resolves when it may be started again. */
  replaced?(): Promise<void>;
}

/** A fault as it went. */
export interface Injected extends Fault {
  /** Which of the Redis servers had the role, from 1; 0: it was no Redis server. */
  readonly server: number;
  /** When the process ran again, seconds from the start. */
  readonly endedAt: number;
  /** Whether it was left out, because Redis had not recovered. */
  readonly skipped: boolean;
}

/** Injects each fault at its time; resolves when all processes run again. */
export async function inject(world: World, faults: readonly Fault[]): Promise<Injected[]> {
  const began = performance.now();
  return Promise.all(
    faults.map(async (fault) => {
      await Bun.sleep(fault.at * 1000);
      const victim = await victimOf(world, fault);
      if (victim) await disturb(victim, fault);
      const server = world.cluster.servers.findIndex(({ port }) => port === victim?.port) + 1;
      const endedAt = (performance.now() - began) / 1000;
      return { ...fault, server, endedAt, skipped: victim === undefined };
    }),
  );
}

async function victimOf(world: World, { role, number }: Fault): Promise<Victim | undefined> {
  const { failovers } = world;
  switch (role) {
    case 'sidecar':
      return world.sidecars[number - 1];
    case 'Redis primary': {
      const primary = (await failovers.untilWhole(WHOLE_MS))?.primary;
      if (!primary) return undefined;
      const { port, kill, start } = primary;
      return { port, kill, start, replaced: () => failovers.untilReplaced(primary, REPLACED_MS) };
    }
    case 'Redis replica':
      return (await failovers.untilWhole(WHOLE_MS))?.replicas[number - 1];
    case 'sentinel':
      return world.cluster.members[number - 1];
    case 'MariaDB':
      return world.mariadb;
    case 'drachtio':
      return world.drachtio;
  }
}

async function disturb(victim: Victim, { kind, seconds }: Fault): Promise<void> {
  if (kind === 'pause') {
    await victim.kill('SIGSTOP');
    await Bun.sleep(seconds * 1000);
    await victim.kill('SIGCONT');
    return;
  }
  await victim.kill(kind === 'kill' ? 'SIGKILL' : 'SIGTERM');
  await Bun.sleep(seconds * 1000);
  await victim.replaced?.();
  await victim.start();
}
