import { Unavailable } from '../../ports/errors.ts';

/** Rejects with Unavailable unless the promise settles within `ms` milliseconds. The question itself goes on. */
export async function inTime<T>(promise: Promise<T>, ms: number, name: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Unavailable('DNS', `${name}: no answer in time`)), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
