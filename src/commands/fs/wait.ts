import type { AdminConnection } from '../../admin/client.ts';
import { ANSWER_TIMEOUT_MS } from '../../admin/client.ts';
import { AdminError } from '../../admin/errors.ts';
import { Emptying, type Standing } from './emptying.ts';

const POLL_MS = 1000;
/** In less there is no answer: it would be reported as a time-out of the sidecar. */
const MIN_LEFT_MS = 50;
/** A sidecar that was started again knows all servers after about one round of their check-ins. */
const RESTART_MS = 60_000;

export interface Wait {
  readonly connection: AdminConnection;
  /** As the sidecar's answer to the drain names it. */
  readonly server: string;
  readonly timeoutMs: number;
  /** Told how it stands at every look, or why that is not known. */
  readonly progress: (standing: Standing | AdminError) => Promise<unknown>;
  /** Milliseconds of a clock that is never put back. */
  readonly now: () => number;
  readonly pause: (ms: number) => Promise<void>;
}

export type End = Exclude<Standing, { state: 'busy' }> | { readonly state: 'timed out'; readonly calls: number | null };

/** Looks every second until the server has no calls left, or nothing is to be waited for, or the time is over. */
export async function untilEmpty({ connection, server, timeoutMs, progress, now, pause }: Wait): Promise<End> {
  const emptying = new Emptying(server);
  const end = now() + timeoutMs;
  let opened = connection.opened;
  let restartedAt = Number.NEGATIVE_INFINITY;
  let calls: number | null = null;
  for (let left = timeoutMs; left >= MIN_LEFT_MS; left = end - now()) {
    try {
      const list = await connection.ask('fs-list', {}, Math.min(left, ANSWER_TIMEOUT_MS));
      if (connection.opened !== opened) restartedAt = now();
      opened = connection.opened;
      const standing = emptying.look(list, now() - restartedAt < RESTART_MS);
      if (standing.state !== 'busy') return standing;
      calls = standing.calls;
      await progress(standing);
    } catch (error) {
      if (!(error instanceof AdminError)) throw error;
      await progress(error);
    }
    await pause(Math.max(0, Math.min(POLL_MS, end - now())));
  }
  return { state: 'timed out', calls };
}
