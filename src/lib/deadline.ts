import type { Timers } from './timers.ts';

/**
 * Settles as `work` does, or rejects with the error that `late` makes once `ms` milliseconds have passed. The work itself
 * goes on, and its result is ignored then.
 */
export async function withDeadline<T>(work: Promise<T>, ms: number, late: () => Error, timers: Timers): Promise<T> {
  const deadline = Promise.withResolvers<never>();
  const timer = timers.after(ms, () => deadline.reject(late()));
  try {
    return await Promise.race([work, deadline.promise]);
  } finally {
    timer.cancel();
  }
}
