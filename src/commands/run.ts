import { parseArgs, stripVTControlCharacters } from 'node:util';
import { type ArgDef, type CommandDef, type CommandMeta, type ParsedArgs, renderUsage } from 'citty';

/** Exit codes of every command. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** The command line makes no sense: its message and the usage go to stderr, the exit code is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * Runs the command that the arguments name. citty describes commands and draws their usage; it would let unknown flags
 * pass, so reading the arguments is left to node:util, which does not.
 */
export async function runCommandLine(root: CommandDef, argv: readonly string[]): Promise<void> {
  const { command, parent, rest } = await findCommand(root, argv);
  const meta = await metaOf(command);
  const flags = rest.slice(0, rest.includes('--') ? rest.indexOf('--') : rest.length);
  if (flags.some((a) => a === '--help' || a === '-h')) return print(process.stdout, await usage(command, parent));
  if (flags.some((a) => a === '--version' || a === '-v'))
    return print(process.stdout, `${(await metaOf(root)).version}`);
  try {
    if (!command.run) throw new UsageError(rest[0] === undefined ? 'command expected' : unknown(rest[0]));
    const args = await readArgs(command, rest);
    await command.run({ args, rawArgs: [...rest], cmd: command });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    print(process.stderr, `${meta.name}: ${error.message}\n\n${await usage(command, parent)}`);
    process.exitCode = EXIT.usage;
  }
}

interface Found {
  readonly command: CommandDef;
  readonly parent?: CommandDef;
  readonly rest: readonly string[];
}

async function findCommand(command: CommandDef, argv: readonly string[], parent?: CommandDef): Promise<Found> {
  const subCommands = await resolved(command.subCommands);
  const name = argv[0];
  const entry = name !== undefined && subCommands && Object.hasOwn(subCommands, name) ? subCommands[name] : undefined;
  const next: CommandDef | undefined = await resolved(entry);
  return next ? findCommand(next, argv.slice(1), command) : { command, rest: argv, ...(parent && { parent }) };
}

type Args = Record<string, string | boolean | undefined>;

async function readArgs(command: CommandDef, rest: readonly string[]): Promise<ParsedArgs> {
  const definitions: [string, ArgDef][] = Object.entries((await resolved(command.args)) ?? {});
  const positional = definitions.filter(([, d]) => d.type === 'positional');
  const options = Object.fromEntries(
    definitions
      .filter(([, d]) => d.type !== 'positional')
      .map(([name, d]) => [name, { type: d.type === 'boolean' ? ('boolean' as const) : ('string' as const) }]),
  );
  const { values, positionals } = parsed(rest, options);
  const extra = positionals[positional.length];
  if (extra !== undefined) throw new UsageError(`unexpected argument ${extra}`);
  const args: Args = { ...values };
  for (const [i, [name, definition]] of positional.entries()) {
    const value = positionals[i];
    if (value === undefined && definition.required !== false) throw new UsageError(`${name} expected`);
    args[name] = value;
  }
  return Object.assign(args, { _: positionals }) as ParsedArgs;
}

function parsed(rest: readonly string[], options: Record<string, { type: 'boolean' | 'string' }>) {
  try {
    return parseArgs({ args: [...rest], options, allowPositionals: true, strict: true });
  } catch (error) {
    // node:util marks its complaints about arguments, and only those, with these codes.
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
      throw new UsageError(error.message.split('. ')[0] ?? error.message);
    throw error;
  }
}

async function usage(command: CommandDef, parent?: CommandDef): Promise<string> {
  const text = await renderUsage(command, parent);
  return process.stdout.isTTY && !process.env.NO_COLOR ? text : stripVTControlCharacters(text);
}

async function metaOf(command: CommandDef): Promise<CommandMeta> {
  return (await resolved(command.meta)) ?? {};
}

function unknown(argument: string): string {
  return argument.startsWith('-') ? `unknown option ${argument}` : `unknown command ${argument}`;
}

function print(stream: NodeJS.WriteStream, text: string): void {
  stream.write(`${text.trimEnd()}\n`);
}

async function resolved<T>(value: T | Promise<T> | (() => T) | (() => Promise<T>) | undefined): Promise<T | undefined> {
  return typeof value === 'function' ? (value as () => T | Promise<T>)() : value;
}
