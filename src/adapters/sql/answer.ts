import { Unavailable } from '../../ports/errors.ts';

/**
 * What a query answers.
 * @param service 'MySQL' or 'SQLite', for people
 * @throws Unavailable when it fails, or has no answer within `ms` milliseconds
 */
export async function answer<T>(service: string, query: Promise<T>, ms: number): Promise<T> {
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(new Error('no answer in time')), ms);
  try {
    return await Promise.race([query, deadline.promise]);
  } catch (error) {
    throw new Unavailable(service, error instanceof Error ? error.message : String(error));
  } finally {
    clearTimeout(timer);
  }
}
