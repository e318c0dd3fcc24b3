import type { CommandDef, ParsedArgs } from 'citty';
import { printable } from '../lib/text.ts';
import { readArguments, UsageError } from './arguments.ts';
import { json, print, printError } from './output.ts';

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  timedOut: 3,
  noSidecar: 4,
  notReady: 5,
  noDependency: 6,
  denied: 7,
} as const;

/** The command failed: the message goes to stderr, and with `--json` also to stdout as JSON. */
export class Failure extends Error {
  override readonly name = 'Failure';

  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}

/** Runs a command and sets the exit code. citty only defines commands and renders their usage. */
export async function runCommandLine(root: CommandDef, argv: readonly string[]): Promise<void> {
  const { command, path, rest } = await findCommand(root, argv, []);
  const flags = rest.slice(0, rest.includes('--') ? rest.indexOf('--') : rest.length);
  if (flags.some((a) => a === '--help' || a === '-h')) return void (await print(await usage(command, path, 1)));
  if (flags.some((a) => a === '--version' || a === '-v'))
    return void (await print(`${(await resolved(root.meta))?.version}`));
  let args: ParsedArgs | undefined;
  try {
    if (!command.run) throw new UsageError(rest[0] === undefined ? 'Command expected' : unknownMessage(rest[0]));
    args = readArguments((await resolved(command.meta))?.name ?? '', (await resolved(command.args)) ?? {}, rest);
    await command.run({ args, rawArgs: [...rest], cmd: command });
  } catch (error) {
    if (error instanceof UsageError) {
      await printError(`${printable(error.message)}\n\n${await usage(command, path, 2)}`);
      process.exitCode = EXIT.usage;
    } else if (error instanceof Failure) {
      await printError(printable(error.message));
      if (args?.json) await print(json({ success: false, error: error.message }));
      process.exitCode = error.exitCode;
    } else throw error;
  }
}

interface Found {
  readonly command: CommandDef;
  readonly path: readonly string[];
  readonly rest: readonly string[];
}

async function findCommand(command: CommandDef, argv: readonly string[], path: readonly string[]): Promise<Found> {
  const subCommands = await resolved(command.subCommands);
  const name = argv[0];
  const entry = name !== undefined && subCommands && Object.hasOwn(subCommands, name) ? subCommands[name] : undefined;
  const next: CommandDef | undefined = await resolved(entry);
  if (!next) return { command, path, rest: argv };
  return findCommand(next, argv.slice(1), [...path, (await resolved(command.meta))?.name ?? '']);
}

async function usage(command: CommandDef, path: readonly string[], fd: 1 | 2): Promise<string> {
  const { usageOf } = await import('./usage.ts');
  return usageOf(command, path, fd);
}

function unknownMessage(argument: string): string {
  return argument.startsWith('-') ? `Unknown option: ${argument}` : `Unknown command: ${argument}`;
}

/** A citty definition, which may be a value, a promise, or a function that returns either. */
export async function resolved<T>(
  value: T | Promise<T> | (() => T) | (() => Promise<T>) | undefined,
): Promise<T | undefined> {
  return typeof value === 'function' ? (value as () => T | Promise<T>)() : value;
}
