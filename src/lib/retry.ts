import type { Logger } from './logger.ts';
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
 * Calls `attempt` until it succeeds, after pauses that double from 0.5 s to 5 s. Each failure is one warning; a fault of
 * our own code is thrown.
 * @returns whether it succeeded; false when the signal came first
 */
export async function retry(
  attempt: () => Promise<unknown>,
  { name, signal, timers, logger }: RetryOptions,
): Promise<boolean> {
  for (let delay = FIRST_DELAY_MS; !signal.aborted; delay = Math.min(delay * 2, MAX_DELAY_MS)) {
    try {
      await attempt();
      return true;
    } catch (error) {
      if (isOwnFault(error)) throw error;
      const why = error instanceof Error ? error.message : String(error);
      logger.warn({ service: name, why, retryInMs: delay }, `waiting for ${name}`);
    }
    await sleep(delay, timers, signal);
  }
  return false;
}
