import { requestOnce } from '../../src/admin/client.ts';
import type { GatewayRow, TrunkRow } from '../../src/admin/protocol.ts';
import { type Carrier, insertCarrier } from '../support/carriers.ts';
import { eventually } from '../support/eventually.ts';
import type { Mariadb } from '../support/mariadb.ts';

/** Short intervals for tests. */
export const QUICK = {
  JAMBONES_REGBOT_LEASE_SECONDS: '3',
  JAMBONES_REGBOT_REFRESH_SECONDS: '1',
  JAMBONES_REGBOT_BATCH_SLEEP_MS: '10',
  JAMBONES_REGBOT_MIN_EXPIRES_INTERVAL: '1',
};

/** A carrier that is served by a peer, and which the sidecar has seen. */
export async function insertCarrierAt(
  sidecar: Sidecar,
  mariadb: Mariadb,
  { host, port }: { host: string; port: number },
  { protocol = 'udp', ...columns }: Record<string, string | number> = {},
): Promise<Carrier & { gateway: string }> {
  const carrier = await insertCarrier(mariadb, columns, { ipv4: host, port, protocol });
  await refresh(sidecar);
  return { ...carrier, gateway: carrier.gateways[0] ?? '' };
}

interface Sidecar {
  readonly socketPath: string;
}

export async function trunksOf({ socketPath }: Sidecar): Promise<readonly TrunkRow[]> {
  return (await requestOnce('trunk-list', {}, { socketPath })).trunks;
}

export async function isLeading({ socketPath }: Sidecar): Promise<boolean> {
  return (await requestOnce('trunk-list', {}, { socketPath })).leading;
}

export async function leading(sidecar: Sidecar, deadlineMs?: number): Promise<void> {
  const probe = async () => (await isLeading(sidecar)) || undefined;
  await eventually('leading', probe, deadlineMs === undefined ? {} : { deadlineMs });
}

/** Resolves with the trunk of a gateway once it is as wanted; a string is a state. */
export function trunk(
  { socketPath }: Sidecar,
  gateway: string,
  wanted: string | ((trunk: TrunkRow) => boolean),
  deadlineMs?: number,
): Promise<TrunkRow> {
  const isWanted = typeof wanted === 'string' ? (row: TrunkRow) => row.state === wanted : wanted;
  let last: TrunkRow | undefined;
  const probe = async () => {
    last = (await requestOnce('trunk-list', {}, { socketPath })).trunks.find((row) => row.gateway === gateway);
    return last && isWanted(last) ? last : undefined;
  };
  return eventually('trunk', probe, { describe: () => last, ...(deadlineMs !== undefined && { deadlineMs }) });
}

export async function noTrunk(sidecar: Sidecar, gateway: string): Promise<void> {
  await eventually(
    'end of the trunk',
    async () => !(await trunksOf(sidecar)).some((t) => t.gateway === gateway) || undefined,
  );
}

export async function refresh({ socketPath }: Sidecar, gateway?: string): Promise<void> {
  await requestOnce('trunk-refresh', gateway === undefined ? {} : { gateway }, { socketPath });
}

/** Resolves with a pinged gateway once it is as wanted; a string is a state. */
export function pinged(
  { socketPath }: Sidecar,
  gateway: string,
  wanted: GatewayRow['state'] | ((gateway: GatewayRow) => boolean),
  deadlineMs?: number,
): Promise<GatewayRow> {
  const isWanted = typeof wanted === 'string' ? (row: GatewayRow) => row.state === wanted : wanted;
  let last: GatewayRow | undefined;
  const probe = async () => {
    last = (await requestOnce('gateway-list', {}, { socketPath })).gateways.find((row) => row.gateway === gateway);
    return last && isWanted(last) ? last : undefined;
  };
  return eventually('gateway', probe, { describe: () => last, ...(deadlineMs !== undefined && { deadlineMs }) });
}
