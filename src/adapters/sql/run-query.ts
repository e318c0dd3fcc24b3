import { Unavailable } from '../../ports/errors.ts';

/** Awaits a query. @throws Unavailable when it fails or takes longer than `timeoutMs` */
export async function runQuery<T>(service: string, query: Promise<T>, timeoutMs: number): Promise<T> {
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(new Error('no answer in time')), timeoutMs);
  try {
    return await Promise.race([query, deadline.promise]);
  } catch (error) {
    throw new Unavailable(service, error instanceof Error ? error.message : String(error));
  } finally {
    clearTimeout(timer);
  }
}
