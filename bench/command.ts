import { type ParseArgsConfig, parseArgs } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;
type Values<O extends Options> = ReturnType<typeof parseArgs<{ options: O }>>['values'];

/** What every benchmark that loads a sidecar of its own has. */
export const COMMON_OPTIONS = {
  binary: { type: 'string', default: 'dist/sbc-sip-sidecar' },
  json: { type: 'boolean', default: false },
  smoke: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

/**
 * Reads the command line and runs the benchmark. Exit code 1 and the message for what it throws; 2, the message and the
 * usage for a wrong command line. Another exit code is the benchmark's own to set.
 * @param settings makes settings of the flags @throws for a value that is wrong
 */
export async function benchCommand<O extends Options, S>(
  usage: string,
  options: O,
  settings: (values: Values<O>) => S,
  run: (settings: S) => Promise<void>,
): Promise<void> {
  let read: S;
  try {
    const { values } = parseArgs({ args: process.argv.slice(2), options });
    if ('help' in values && values.help) {
      console.log(usage);
      return;
    }
    read = settings(values);
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${usage}`);
    process.exitCode = 2;
    return;
  }
  try {
    await run(read);
  } catch (error) {
    console.error(messageOf(error));
    process.exitCode = 1;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
