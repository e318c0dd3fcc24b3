import type { ArgDef, ArgsDef, ParsedArgs } from 'citty';
import { didYouMean } from '../lib/nearest.ts';

/** Flags that every command has. */
export const COMMON_FLAGS = ['--help', '--version'];

/** The command line is not valid: message and usage go to stderr, the exit code is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * Parses `--flag`, `--flag value`, `--flag=value` and positional arguments; after `--` all are positional.
 * Our own parser, because citty accepts unknown flags and node:util takes 5 ms to load.
 * @param name of the command, for messages
 * @throws UsageError for unknown, missing or extra arguments
 */
export function readArguments(name: string, definitions: ArgsDef, argv: readonly string[]): ParsedArgs {
  const values: Record<string, string | boolean> = {};
  const words: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (word === '--') {
      words.push(...argv.slice(i + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      words.push(word);
      continue;
    }
    const [flag = '', ...assigned] = word.split('=');
    const type = typeOf(definitions, flag);
    if (type === undefined) throw new UsageError(unknownOption(definitions, flag));
    if (type === 'boolean') {
      if (assigned.length > 0) throw new UsageError(`${flag} takes no value`);
      values[flag.slice(2)] = true;
      continue;
    }
    const value = assigned.length > 0 ? assigned.join('=') : argv[++i];
    if (value === undefined || (assigned.length === 0 && value.startsWith('-') && value !== '-'))
      throw new UsageError(`${flag} requires a value`);
    values[flag.slice(2)] = optionOf(definitions, flag, value);
  }
  return Object.assign(values, positionals(name, definitions, words), { _: words }) as ParsedArgs;
}

function typeOf(definitions: ArgsDef, flag: string): ArgDef['type'] {
  const name = flag.startsWith('--') ? flag.slice(2) : '';
  const type = Object.hasOwn(definitions, name) ? definitions[name]?.type : undefined;
  return type === 'positional' ? undefined : type;
}

function unknownOption(definitions: ArgsDef, flag: string): string {
  const known = Object.keys(definitions).filter((name) => typeOf(definitions, `--${name}`) !== undefined);
  return `Unknown option: ${flag}${didYouMean(flag, [...known.map((name) => `--${name}`), ...COMMON_FLAGS])}`;
}

/** The value of a flag; of one of type `enum` the option that is meant, in upper or lower case. */
function optionOf(definitions: ArgsDef, flag: string, value: string): string {
  const definition = definitions[flag.slice(2)];
  if (definition?.type !== 'enum' || !definition.options) return value;
  const { options } = definition;
  const found = options.find((option) => option.toLowerCase() === value.toLowerCase());
  if (found !== undefined) return found;
  throw new UsageError(`${flag} takes ${options.join(', ')}, not ${value}${didYouMean(value, options)}`);
}

function positionals(name: string, definitions: ArgsDef, words: readonly string[]): Record<string, string> {
  const expected = Object.entries(definitions).filter(([, { type }]) => type === 'positional');
  const extra = words[expected.length];
  if (extra !== undefined) throw new UsageError(`Unexpected argument: ${extra}`);
  const values: Record<string, string> = {};
  for (const [i, [key, { description, required }]] of expected.entries()) {
    const word = words[i];
    if (word !== undefined) values[key] = word;
    else if (required !== false) throw new UsageError(`${name} requires ${description}`);
  }
  return values;
}
