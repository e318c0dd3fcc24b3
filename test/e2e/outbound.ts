import { requestOnce } from '../../src/admin/client.ts';
import type { GatewayRow, TrunkRow } from '../../src/admin/protocol.ts';
import { eventually } from '../support/eventually.ts';

/** Settings that let a test see in seconds what takes a cluster minutes. */
export const QUICK = {
  JAMBONES_REGBOT_LEASE_SECONDS: '3',
  JAMBONES_REGBOT_REFRESH_SECONDS: '1',
  JAMBONES_REGBOT_BATCH_SLEEP_MS: '10',
  JAMBONES_REGBOT_MIN_EXPIRES_INTERVAL: '1',
};

interface Sidecar {
  readonly socketPath: string;
}

/** All that a sidecar registers. */
export async function trunksOf({ socketPath }: Sidecar): Promise<readonly TrunkRow[]> {
  return (await requestOnce('trunk-list', {}, { socketPath })).trunks;
}

/** Whether it is the one that registers. */
export async function isLeading({ socketPath }: Sidecar): Promise<boolean> {
  return (await requestOnce('trunk-list', {}, { socketPath })).leading;
}

/** Resolves when a sidecar is the one that registers. */
export async function leading(sidecar: Sidecar, deadlineMs?: number): Promise<void> {
  const probe = async () => (await isLeading(sidecar)) || undefined;
  await eventually('leading', probe, deadlineMs === undefined ? {} : { deadlineMs });
}

/** The trunk of a gateway as soon as it is as wanted; in this state, when a word is given. */
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

/** Resolves when a sidecar knows nothing of that gateway's trunk (any more). */
export async function noTrunk(sidecar: Sidecar, gateway: string): Promise<void> {
  await eventually(
    'end of the trunk',
    async () => !(await trunksOf(sidecar)).some((t) => t.gateway === gateway) || undefined,
  );
}

/** Reads the carriers again. */
export async function refresh({ socketPath }: Sidecar, gateway?: string): Promise<void> {
  await requestOnce('trunk-refresh', gateway === undefined ? {} : { gateway }, { socketPath });
}

/** A pinged gateway as soon as it is in this state. */
export function pinged({ socketPath }: Sidecar, gateway: string, state: GatewayRow['state'], deadlineMs?: number) {
  let last: GatewayRow | undefined;
  const probe = async () => {
    last = (await requestOnce('gateway-list', {}, { socketPath })).gateways.find((row) => row.gateway === gateway);
    return last?.state === state ? last : undefined;
  };
  return eventually(`gateway ${state}`, probe, {
    describe: () => last,
    ...(deadlineMs !== undefined && { deadlineMs }),
  });
}
