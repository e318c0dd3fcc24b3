import { DependencyError } from '../ports/errors.ts';
import type { ServerPool } from '../ports/server-pool.ts';

/**
 * Why a feature server should not be drained without `--force`: it is the last one that takes calls, or no server at this
 * address has checked in. Two drains at the same time may still take out the last two servers.
 * @returns undefined when it may be drained
 */
export async function drainObjection(pool: ServerPool, ip: string): Promise<string | undefined> {
  const { servers, drained } = await pool.featureServers();
  if (drained.includes(ip)) return undefined;
  const force = `To drain ${ip} all the same: sbc-sip-sidecar fs drain ${ip} --force`;
  const isActive = servers.some((server) => server.active && server.ip === ip);
  const othersActive = servers.some((server) => server.active && server.ip !== ip);
  if (isActive && !othersActive) return `${ip} is the last active feature server: new calls would fail. ${force}`;
  if (servers.some((server) => server.ip === ip)) return undefined;
  const { kubernetes } = await kubernetesHint(pool);
  const why =
    kubernetes === undefined
      ? `no feature server at ${ip} has checked in`
      : `no feature server checks in: ${kubernetes} run in Kubernetes (fsUUIDs), which drains them itself`;
  return `${why}. ${force}`;
}

/** The number of feature servers in Kubernetes, which do not check in; absent where there are none, or others check in. */
export async function kubernetesHint(pool: ServerPool): Promise<{ kubernetes?: number }> {
  try {
    if ((await pool.featureServers()).servers.length > 0) return {};
    const kubernetes = await pool.inKubernetes();
    return kubernetes > 0 ? { kubernetes } : {};
  } catch (error) {
    // Only a hint, beside a list or a drain that has succeeded. A Redis user may have no permission for this key.
    if (!(error instanceof DependencyError)) throw error;
    return {};
  }
}
