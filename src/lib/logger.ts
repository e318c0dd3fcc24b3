export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A cause may be its own cause. */
const MAX_CAUSES = 5;

/** An unexpected error for the log: its stack, and those of its causes. */
export function traceOf(error: unknown): string {
  const traces: string[] = [];
  let cause = error;
  do {
    traces.push(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause));
    cause = cause instanceof Error ? cause.cause : undefined;
  } while (cause !== undefined && traces.length <= MAX_CAUSES);
  return traces.join('\ncaused by ');
}
