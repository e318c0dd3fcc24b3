import { gatewayKey } from '../ports/provisioning.ts';
import type { Path } from './line-of.ts';

export interface Problem {
  readonly path: Path;
  readonly what: string;
}

type Table = Readonly<Record<string, unknown>>;

/** What is wrong between entries that may each be right. The file may be wrong in any other way too. */
export function conflictsIn(toml: unknown): Problem[] {
  const accounts = tablesIn(toml, 'account');
  const carriers = tablesIn(toml, 'carrier');
  const realms = new Set(accounts.map(({ realm }) => lowerCase(realm)));
  const problems = [
    ...taken('account', accounts, 'realm', ({ realm }) => lowerCase(realm)),
    ...taken('carrier', carriers, 'name', ({ name }) => name),
  ];
  for (const [i, account] of accounts.entries())
    problems.push(
      ...below(
        ['account', i],
        taken('client', tablesIn(account, 'client'), 'username', ({ username }) => lowerCase(username)),
      ),
    );
  for (const [i, carrier] of carriers.entries()) {
    const gateways = taken('gateway', tablesIn(carrier, 'gateway'), 'host', keyOfGateway, 'is listed twice');
    problems.push(...below(['carrier', i], gateways));
    if (typeof carrier.account === 'string' && !realms.has(carrier.account.toLowerCase()))
      problems.push({ path: ['carrier', i, 'account'], what: 'names an account that is not there' });
  }
  return problems;
}

/** The entries whose key an earlier one has too. */
function taken(
  list: string,
  entries: readonly Table[],
  key: string,
  keyOf: (entry: Table) => unknown,
  what = 'is taken',
): Problem[] {
  const seen = new Set<unknown>();
  const problems: Problem[] = [];
  for (const [i, entry] of entries.entries()) {
    const value = keyOf(entry);
    if (typeof value !== 'string') continue;
    if (seen.has(value)) problems.push({ path: [list, i, key], what });
    seen.add(value);
  }
  return problems;
}

function below(path: Path, problems: readonly Problem[]): Problem[] {
  return problems.map((problem) => ({ ...problem, path: [...path, ...problem.path] }));
}

function keyOfGateway({ host, port, protocol = 'udp' }: Table): string | undefined {
  if (typeof host !== 'string' || typeof protocol !== 'string') return undefined;
  return gatewayKey({ host, protocol, ...(typeof port === 'number' && { port }) });
}

/** Keeps the indexes: an entry that is no table is an empty one. */
function tablesIn(table: unknown, key: string): Table[] {
  const list = isTable(table) ? table[key] : undefined;
  return Array.isArray(list) ? list.map((entry: unknown) => (isTable(entry) ? entry : {})) : [];
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function lowerCase(value: unknown): unknown {
  return typeof value === 'string' ? value.toLowerCase() : value;
}

/** The keys that a schema of valibot has no entry for; valibot itself stops at the first of each table. */
export function unknownKeysIn(schema: unknown, value: unknown, path: Path = []): Problem[] {
  if (!isTable(schema)) return [];
  const { wrapped, item, entries } = schema;
  if (wrapped !== undefined) return unknownKeysIn(wrapped, value, path);
  if (item !== undefined && Array.isArray(value))
    return value.flatMap((each: unknown, i) => unknownKeysIn(item, each, [...path, i]));
  if (!isTable(entries) || !isTable(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    Object.hasOwn(entries, key)
      ? unknownKeysIn(entries[key], inner, [...path, key])
      : [{ path: [...path, key], what: 'is not known here' }],
  );
}
