import { type AdminClient, ANSWER_TIMEOUT_MS } from '../../admin/client.ts';
import { AdminError } from '../../admin/errors.ts';
import { type DrainState, DrainTracker } from './drain-tracker.ts';

const POLL_MS = 1000;
/** A request with less time left would fail as a time-out of the sidecar. */
const MIN_REQUEST_MS = 50;
/** All servers check in within this time after a restart of the sidecar. */
const RESTART_MS = 60_000;

export interface Wait {
  readonly client: AdminClient;
  /** As named in the answer to the drain. */
  readonly server: string;
  readonly timeoutMs: number;
  readonly progress: (current: DrainState | AdminError) => Promise<unknown>;
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly pause: (ms: number) => Promise<void>;
}

export type End =
  | Exclude<DrainState, { state: 'busy' }>
  | { readonly state: 'timed out'; readonly calls: number | null };

/** Polls every second until the server has no calls left, there is nothing to wait for, or the time-out. */
export async function waitUntilEmpty({ client, server, timeoutMs, progress, now, pause }: Wait): Promise<End> {
  const tracker = new DrainTracker(server);
  const end = now() + timeoutMs;
  let opened = client.opened;
  let restartedAt = Number.NEGATIVE_INFINITY;
  let calls: number | null = null;
  for (let left = timeoutMs; left >= MIN_REQUEST_MS; left = end - now()) {
    try {
      const list = await client.request('fs-list', {}, Math.min(left, ANSWER_TIMEOUT_MS));
      if (client.opened !== opened) restartedAt = now();
      opened = client.opened;
      const current = tracker.update(list, now() - restartedAt < RESTART_MS);
      if (current.state !== 'busy') return current;
      calls = current.calls;
      await progress(current);
    } catch (error) {
      if (!(error instanceof AdminError)) throw error;
      await progress(error);
    }
    await pause(Math.max(0, Math.min(POLL_MS, end - now())));
  }
  return { state: 'timed out', calls };
}
