import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import type { Provisioning } from '../ports/provisioning.ts';
import { account } from './account-syntax.ts';
import { carrier } from './carrier-syntax.ts';
import { conflictsIn, type Problem, unknownKeysIn } from './conflicts.ts';
import { linesOf, type Path } from './line-of.ts';

/** Some 200 000 clients. */
const MAX_BYTES = 16 * 1024 * 1024;
/** One page of a terminal or two; a file of the wrong kind would have thousands. */
const MAX_REPORTED = 100;
const MAX_KEY_LENGTH = 60;

const provisioning = v.pipe(
  v.strictObject({
    account: v.optional(v.array(account), []),
    carrier: v.optional(v.array(carrier), []),
  }),
  v.transform(({ account, carrier }): Provisioning => ({ accounts: account, carriers: carrier })),
);

/** The provisioning file cannot be used; each line of the message is a problem: file, line, key, and what is wrong. */
export class ProvisionError extends Error {
  override readonly name = 'ProvisionError';
}

/** @throws ProvisionError */
export function readProvisioning(path: string): Provisioning {
  let bytes: Buffer;
  try {
    bytes = readRegularFile(path);
  } catch (error) {
    throw new ProvisionError(`${path}: ${error instanceof Error ? error.message : error}`);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ProvisionError(`${path}: is not UTF-8`); // the only error of a fatal decoder
  }
  return parseProvisioning(text, path);
}

function readRegularFile(path: string): Buffer {
  // A pipe without a writer would stop the whole process at open().
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(file);
    if (!found.isFile()) throw new Error('is not a regular file');
    if (found.size > MAX_BYTES) throw new Error(`has ${found.size} bytes, more than ${MAX_BYTES}`);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

/** @param path for error messages @throws ProvisionError with all problems, in the order of their lines */
export function parseProvisioning(text: string, path: string): Provisioning {
  const toml = parseToml(text, path);
  const result = v.safeParse(provisioning, toml);
  const issues = result.issues?.filter((issue) => !isUnknownKey(issue)) ?? [];
  const problems = [...issues.map(problemOf), ...unknownKeysIn(provisioning, toml), ...conflictsIn(toml)];
  if (result.success && problems.length === 0) return result.output;
  const reported = problems.slice(0, MAX_REPORTED);
  const numbers = linesOf(
    text,
    reported.map((problem) => problem.path),
  );
  const lines = reported
    .map((problem, i) => ({ ...problem, line: numbers[i] ?? 1 }))
    .sort((a, b) => a.line - b.line)
    .map(({ line, path: keys, what }) => `${path}:${line}: ${[keyText(keys), what].filter(Boolean).join(' ')}`);
  if (problems.length > MAX_REPORTED) lines.push(`${path}: and ${problems.length - MAX_REPORTED} more`);
  throw new ProvisionError(lines.join('\n'));
}

function parseToml(text: string, path: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new ProvisionError(`${path}:${error.line}: ${error.message.split('\n')[0]}`);
  }
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'must be a string',
  number: 'must be a number',
  boolean: 'must be true or false',
  array: 'must be an array of tables',
  strict_object: 'must be a table',
};

/** Does not repeat the value, which may be a password under the wrong key. */
function problemOf(issue: v.BaseIssue<unknown>): Problem {
  const path = (issue.path ?? []).map(({ key }) => (typeof key === 'number' ? key : String(key)));
  return { path, what: what(issue) };
}

function isUnknownKey({ type, expected }: v.BaseIssue<unknown>): boolean {
  return type === 'strict_object' && expected === 'never';
}

function what({ kind, type, expected, message }: v.BaseIssue<unknown>): string {
  if (type === 'strict_object' && expected?.startsWith('"')) return 'is missing';
  return (kind === 'schema' && KINDS[type]) || message;
}

/** `account[1].client[2].password`: as in the file, but entries count from 1. */
function keyText(keys: Path): string {
  return keys
    .map((key, i) => (typeof key === 'number' ? `[${key + 1}]` : `${i > 0 ? '.' : ''}${printableKey(key)}`))
    .join('')
    .slice(0, 200);
}

function printableKey(key: string): string {
  const short = key.length > MAX_KEY_LENGTH ? `${key.slice(0, MAX_KEY_LENGTH)}…` : key;
  if (/^[\w-]+$/.test(short)) return short;
  return JSON.stringify(short).replace(
    /[^\x20-\x7e…]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
