import type { CommandDef } from 'citty';
import { didYouMean } from '../lib/nearest.ts';
import { printable } from '../lib/text.ts';
import { readArguments, UsageError } from './arguments.ts';
import { json, OutputError, print, printError } from './output.ts';

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

/** The command failed; the message is for the operator. */
export class Failure extends Error {
  override readonly name = 'Failure';

  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}

/**
 * Runs a command and sets the exit code. citty only defines commands and renders their usage. With `--json` stdout gets one
 * document in every case; messages, and the usage before them, go to stderr.
 */
export async function runCommandLine(root: CommandDef, argv: readonly string[]): Promise<void> {
  const found = await findCommand(root, argv, []);
  const { rest } = found;
  const flags = rest.slice(0, rest.includes('--') ? rest.indexOf('--') : rest.length);
  const asJson = flags.some((flag) => flag === '--json' || flag.startsWith('--json='));
  try {
    await runFound(root, found, flags, asJson);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (asJson && !(error instanceof OutputError)) await print(json({ success: false, error: message }));
    if (error instanceof UsageError) {
      await printError(`${await usage(found, 2)}\n\n${printable(message)}`);
      process.exitCode = EXIT.usage;
    } else if (error instanceof Failure || error instanceof OutputError) {
      await printError(printable(message));
      process.exitCode = error instanceof Failure ? error.exitCode : EXIT.failed;
    } else throw error;
  }
}

async function runFound(root: CommandDef, found: Found, flags: readonly string[], asJson: boolean): Promise<void> {
  const { command, rest } = found;
  if (!command.run && rest[0] !== undefined && !rest[0].startsWith('-'))
    throw new UsageError(await unknownCommand(root, found, rest[0]));
  if (flags.some((flag) => flag === '--help' || flag === '-h')) {
    const text = await usage(found, 1);
    return void (await print(asJson ? json({ success: true, usage: text }) : text));
  }
  if (flags.some((flag) => flag === '--version' || flag === '-v')) {
    const version = (await resolved(root.meta))?.version ?? '';
    return void (await print(asJson ? json({ success: true, version }) : version));
  }
  const { name = '' } = (await resolved(command.meta)) ?? {};
  const words = command.run ? rest : rest.filter((word) => word !== '--json');
  const args = readArguments(name, (await resolved(command.args)) ?? {}, words);
  if (!command.run) throw new UsageError('Command expected');
  await command.run({ args, rawArgs: [...rest], cmd: command });
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

async function usage({ command, path }: Found, fd: 1 | 2): Promise<string> {
  const { usageOf } = await import('./usage.ts');
  return usageOf(command, path, fd);
}

/** Names the command that is meant: of this group, or of another, as `fs drain` for `drain`. */
async function unknownCommand(root: CommandDef, { command, path }: Found, word: string): Promise<string> {
  const here = Object.keys((await resolved(command.subCommands)) ?? {});
  let hint = didYouMean(word, here);
  if (hint === '' && path.length === 0) {
    const { commandTree, everyNode, lastName } = await import('./completion/tree.ts');
    const found = [...everyNode(await commandTree(root))].find((node) => lastName(node) === word);
    if (found) hint = `. Did you mean ${found.path.slice(1).join(' ')}?`;
  }
  return `Unknown command: ${word}${hint}`;
}

/** A citty definition, which may be a value, a promise, or a function that returns either. */
export async function resolved<T>(
  value: T | Promise<T> | (() => T) | (() => Promise<T>) | undefined,
): Promise<T | undefined> {
  return typeof value === 'function' ? (value as () => T | Promise<T>)() : value;
}
