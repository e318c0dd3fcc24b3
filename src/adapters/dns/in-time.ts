import { Unavailable } from '../../ports/errors.ts';

/** The promise; after `ms` milliseconds Unavailable instead. What was asked goes on, for whoever asks next. */
export async function inTime<T>(promise: Promise<T>, ms: number, name: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Unavailable('DNS', `${name}: no answer in time`)), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
