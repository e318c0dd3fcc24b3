import type { Fault } from './schedule.ts';
import type { World } from './world.ts';

const PROMOTED_MS = 60_000;

/** What can be killed, paused and started again. */
interface Victim {
  kill(signal: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
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
  const servers: readonly Victim[] = world.cluster.servers;
  return Promise.all(
    faults.map(async (fault) => {
      await Bun.sleep(fault.at * 1000);
      const victim = victimOf(world, fault);
      const server = victim ? servers.indexOf(victim) + 1 : 0;
      if (victim) await disturb(world, fault, victim);
      const endedAt = (performance.now() - began) / 1000;
      return { ...fault, server, endedAt, skipped: victim === undefined };
    }),
  );
}

function victimOf(world: World, { role, number }: Fault): Victim | undefined {
  switch (role) {
    case 'sidecar':
      return world.sidecars[number - 1];
    case 'Redis primary':
      return world.failovers.whole?.primary;
    case 'Redis replica':
      return world.failovers.whole?.replicas[number - 1];
    case 'sentinel':
      return world.cluster.members[number - 1];
    case 'MariaDB':
      return world.mariadb;
    case 'drachtio':
      return world.drachtio;
  }
}

async function disturb({ failovers }: World, { role, kind, seconds }: Fault, victim: Victim): Promise<void> {
  if (kind === 'pause') {
    await victim.kill('SIGSTOP');
    await Bun.sleep(seconds * 1000);
    await victim.kill('SIGCONT');
    return;
  }
  await victim.kill(kind === 'kill' ? 'SIGKILL' : 'SIGTERM');
  await Bun.sleep(seconds * 1000);
  if (role === 'Redis primary') await failovers.untilPromoted(victim, PROMOTED_MS);
  await victim.start();
}
