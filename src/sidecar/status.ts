import type { Status } from '../admin/protocol.ts';
import type { Config } from '../config/index.ts';
import type { Edge } from '../edge/index.ts';
import { VERSION } from '../lib/version.ts';
import { Unavailable } from '../ports/errors.ts';
import type { Lease } from '../ports/lease.ts';
import type { ServerPool } from '../ports/server-pool.ts';
import { outboundCounts } from './operator-view.ts';
import type { Outbound } from './outbound.ts';

export interface StatusSources {
  readonly config: Config;
  /** Milliseconds since the epoch, as is `now`. */
  readonly startedAt: number;
  readonly now: number;
  readonly ready: boolean;
  readonly sip: { readonly connected: boolean; readonly hostports: string };
  readonly edge: Edge | undefined;
  readonly pool: ServerPool;
  readonly outbound: Outbound | undefined;
  readonly lease: Lease;
}

/** How the sidecar is, for an operator. Never throws: what cannot be found out now is null. */
export async function statusOf(sources: StatusSources): Promise<Status> {
  const { config, startedAt, now, ready, sip, edge, pool, outbound, lease } = sources;
  return {
    version: VERSION,
    pid: process.pid,
    startedAt,
    now,
    ready: ready && sip.connected,
    sip: {
      server: config.parts.sip === 'edge' ? 'embedded' : 'drachtio',
      connected: sip.connected,
      hostports: sip.hostports,
    },
    edge: edge ? { ...edge.holding, ...edge.counters } : null,
    store: config.parts.store,
    directory: config.parts.directory,
    clusterId: config.platform.clusterId,
    ...(await serverCounts(pool)),
    outbound: await outboundCounts(outbound, lease),
  };
}

async function serverCounts(pool: ServerPool): Promise<Pick<Status, 'featureServers' | 'rtpServers'>> {
  try {
    const [{ servers, drained }, rtpServers] = await Promise.all([pool.featureServers(), pool.rtpServers()]);
    return { featureServers: { active: servers.filter((s) => s.active).length, drained: drained.length }, rtpServers };
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    return { featureServers: null, rtpServers: null };
  }
}
