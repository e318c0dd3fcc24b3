import type { Logger } from './logger.ts';

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 5000;

/**
 * Tries until it works, with one log line a failure.
 * @param name what is waited for, for people
 * @returns whether it worked; false only when the signal ended the waiting
 */
export async function waitFor(
  name: string,
  attempt: () => Promise<unknown>,
  logger: Logger,
  signal: AbortSignal,
): Promise<boolean> {
  for (let delay = FIRST_DELAY_MS; !signal.aborted; delay = Math.min(delay * 2, MAX_DELAY_MS)) {
    try {
      await attempt();
      return true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      logger.warn({ service: name, why, retryInMs: delay }, `waiting for ${name}`);
    }
    await pause(delay, signal);
  }
  return false;
}

/** Waits so many milliseconds, or until the signal. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
