import { readFileSync } from 'node:fs';
import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import type { ProvisionedAccount, ProvisionedClient, Provisioning } from '../ports/provisioning.ts';
import { carrier } from './carrier-syntax.ts';
import { lineOf } from './line-of.ts';
import { nonEmpty, realm, upTo } from './syntax.ts';

const client = v.pipe(
  v.strictObject({
    username: upTo(64),
    password: nonEmpty,
    active: v.optional(v.boolean(), true),
    allow_direct_app_calling: v.optional(v.boolean(), true),
    allow_direct_queue_calling: v.optional(v.boolean(), true),
    allow_direct_user_calling: v.optional(v.boolean(), true),
  }),
  v.transform(
    (c): ProvisionedClient => ({
      username: c.username,
      password: c.password,
      isActive: c.active,
      grant: {
        allowDirectAppCalling: c.allow_direct_app_calling,
        allowDirectQueueCalling: c.allow_direct_queue_calling,
        allowDirectUserCalling: c.allow_direct_user_calling,
      },
    }),
  ),
);

const webhook = v.strictObject({
  url: v.pipe(v.string(), v.regex(/^https?:\/\//i, 'must be an http or https URL'), v.url('must be a URL')),
  method: v.optional(v.picklist(['GET', 'POST'], 'must be GET or POST'), 'POST'),
  username: v.exactOptional(v.string()),
  password: v.exactOptional(v.string()),
  secret: v.exactOptional(v.string()),
});

const account = v.pipe(
  v.strictObject({
    realm,
    active: v.optional(v.boolean(), true),
    client: v.optional(v.array(client), []),
    webhook: v.exactOptional(webhook),
  }),
  v.check((a) => !(a.webhook && a.client.length > 0), 'has a webhook and clients: it can have only one of them'),
  v.check(
    (a) => new Set(a.client.map((c) => c.username.toLowerCase())).size === a.client.length,
    'names a client twice',
  ),
  v.transform(
    (a): ProvisionedAccount => ({ realm: a.realm, isActive: a.active, webhook: a.webhook, clients: a.client }),
  ),
);

const lists = v.strictObject({
  account: v.optional(v.array(account), []),
  carrier: v.optional(v.array(carrier), []),
});
type Lists = v.InferOutput<typeof lists>;

const provisioning = v.pipe(
  lists,
  noEntry('account', 'realm', () => twice(({ realm }) => realm), 'is taken'),
  noEntry('carrier', 'name', () => twice(({ name }) => name), 'is taken'),
  noEntry(
    'carrier',
    'account',
    ({ account }) => {
      const realms = new Set(account.map((a) => a.realm));
      return ({ accountRealm }) => accountRealm !== undefined && !realms.has(accountRealm);
    },
    'names an account that is not there',
  ),
  v.transform(({ account, carrier }): Provisioning => ({ accounts: account, carriers: carrier })),
);

function twice<E>(nameOf: (entry: E) => string): (entry: E) => boolean {
  const seen = new Set<string>();
  return (entry) => seen.size === seen.add(nameOf(entry)).size;
}

/** Reports the first wrong entry of a list, with an issue at its `key`. */
function noEntry<L extends keyof Lists>(
  list: L,
  key: string,
  wrong: (all: Lists) => (entry: Lists[L][number]) => boolean,
  message: string,
) {
  return v.rawCheck<Lists>(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const all = dataset.value;
    const entries: Lists[L][number][] = all[list];
    const index = entries.findIndex(wrong(all));
    const entry = entries[index];
    if (!entry) return;
    const path = [
      { type: 'object', origin: 'value', input: all, key: list, value: entries },
      { type: 'array', origin: 'value', input: entries, key: index, value: entry },
      { type: 'unknown', origin: 'value', input: entry, key, value: undefined },
    ] satisfies [v.IssuePathItem, ...v.IssuePathItem[]];
    addIssue({ message, path });
  });
}

/** The provisioning file cannot be used; the message names file, line and key. */
export class ProvisionError extends Error {
  override readonly name = 'ProvisionError';
}

/** @throws ProvisionError */
export function readProvisioning(path: string): Provisioning {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ProvisionError(`${path}: ${error instanceof Error ? error.message : error}`);
  }
  return parseProvisioning(text, path);
}

/** @param path for error messages @throws ProvisionError */
export function parseProvisioning(text: string, path: string): Provisioning {
  let toml: unknown;
  try {
    toml = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new ProvisionError(`${path}:${error.line}: ${error.message.split('\n')[0]}`);
  }
  const result = v.safeParse(provisioning, toml);
  if (result.success) return result.output;
  const issue = result.issues[0];
  const keys = (issue.path ?? []).map((item) => (typeof item.key === 'number' ? item.key : String(item.key)));
  const line = lineOf(text, keys);
  const what = issue.type === 'strict_object' ? unexpectedOrMissing(issue) : issue.message;
  throw new ProvisionError(`${path}:${line}: ${keyText(keys)}${keys.length > 0 ? ' ' : ''}${what}`);
}

function unexpectedOrMissing(issue: v.BaseIssue<unknown>): string {
  return issue.expected === 'never' ? 'is not known here' : 'is missing';
}

function keyText(keys: readonly (string | number)[]): string {
  return keys.map((key, i) => (typeof key === 'number' ? `[${key + 1}]` : `${i > 0 ? '.' : ''}${key}`)).join('');
}
