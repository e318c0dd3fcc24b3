import { type Logger, traceOf } from './logger.ts';
import { isOwnFault } from './own-fault.ts';
import { sleep, type Timers } from './timers.ts';

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 5000;

export interface RetryOptions {
  /** What is waited for, in the log. */
  readonly name: string;
  /** Ends the tries. */
  readonly signal: AbortSignal;
  readonly timers: Timers;
  readonly logger: Logger;
}

/**
 * Calls `attempt` until it succeeds, after pauses that double from 0.5 s to 5 s. Each failure is one warning.
 * @returns whether it succeeded; false when the signal came first, also while an attempt is under way
 */
export async function retry(
  attempt: () => Promise<unknown>,
  { name, signal, timers, logger }: RetryOptions,
): Promise<boolean> {
  const aborted = new Promise<boolean>((resolve) => signal.addEventListener('abort', () => resolve(false)));
  const succeeds = async () => {
    await attempt();
    return true;
  };
  for (let delay = FIRST_DELAY_MS; !signal.aborted; delay = Math.min(delay * 2, MAX_DELAY_MS)) {
    try {
      return await Promise.race([succeeds(), aborted]);
    } catch (error) {
      const why = error instanceof Error && !isOwnFault(error) ? error.message : traceOf(error);
      logger.warn({ dependency: name, why, retryInMs: delay }, `waiting for ${name}`);
    }
    await sleep(delay, timers, signal);
  }
  return false;
}
