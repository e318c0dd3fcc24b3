import type { Log } from '../lib/log.ts';
import { traceOf } from '../lib/logger.ts';
import type { TextOutput } from '../lib/text-output.ts';

/** The longest that the end waits for a slow reader of stdout, milliseconds. */
export const FLUSH_MS = 5_000;

/** Ends the process with 1 at an error that nothing catches, with its reason as the last line of the log. */
export function endOnFault(logger: Log, output: TextOutput): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const)
    process.on(event, (error: unknown) => {
      logger.fatal({ why: traceOf(error) }, event);
      output.close();
      void output.drained(FLUSH_MS).then(() => process.exit(1));
    });
}
