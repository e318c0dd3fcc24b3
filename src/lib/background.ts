import { type Logger, traceOf } from './logger.ts';

/**
 * Starts work that no caller waits for. A failure of it is logged as an error and goes no further.
 * @param what names the work in the log: `removal of silent servers`
 */
export function background(logger: Logger, what: string, work: () => Promise<unknown>): void {
  const run = async () => {
    try {
      await work();
    } catch (error) {
      logger.error({ why: traceOf(error) }, `${what} failed`);
    }
  };
  void run();
}
