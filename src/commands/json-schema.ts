import type { CommandDef } from 'citty';
import { ACTIONS, type ActionName, STREAMS } from '../admin/protocol.ts';
import { commandTree, everyNode } from './completion/tree.ts';

/** A schema of valibot, as far as the protocol uses it. */
interface Shape {
  readonly type: string;
  readonly entries?: Readonly<Record<string, Shape>>;
  readonly item?: Shape;
  readonly wrapped?: Shape;
  readonly value?: Shape;
  readonly literal?: unknown;
  readonly options?: readonly unknown[];
}

export type JsonSchema = Readonly<Record<string, unknown>>;

/** Commands whose answer is that of an action with another name. */
const ACTION_OF: Readonly<Record<string, ActionName>> = {
  'fs active': 'fs-available',
  'fs watch': 'fs-list',
  'log level': 'get',
};

const text = { type: 'string' } as const;

const number = { type: 'number' } as const;

/** What commands print that is no answer of an action. */
const OWN: Readonly<Record<string, () => JsonSchema>> = {
  version: () => answer({ version: text, commit: text, built: text, bun: text }, ['version', 'commit', 'built', 'bun']),
  help: () => answer({ usage: text }, ['usage']),
  'reg list': () => {
    const { bindings } = objectOf(STREAMS['reg-list'].part).properties;
    return answer({ bindings: bindings ?? {} }, ['bindings'], {});
  },
  'reg count': () => answer({ bindings: number, aors: number, by: text, counts: COUNTS }, ['bindings', 'aors']),
  events: () => ({ type: 'object', properties: { id: number, at: number, type: text }, description: EVENT }),
};

const COUNTS = {
  type: 'array',
  items: {
    type: 'object',
    properties: { value: { type: ['string', 'null'] }, bindings: number },
    required: ['value', 'bindings'],
  },
} as const;

const EVENT =
  'One line for each event, as docs/events.md has them; or only `dropped`, the number of events that were lost.';

const WAIT = {
  type: 'object',
  description:
    'With --wait: how the wait ended. `success` is false after a time-out, and when the server was undrained.',
  properties: {
    state: { enum: ['empty', 'silent', 'undrained', 'timed out'] },
    calls: { type: ['number', 'null'] },
    before: { type: 'boolean' },
  },
  required: ['state'],
} as const;

const ERROR = {
  type: 'object',
  description: 'What a command prints instead when it fails, or its command line is not valid.',
  properties: { success: { const: false }, error: text },
  required: ['success', 'error'],
} as const;

/** Generates docs/cli.schema.json: what each command prints with `--json`. */
export async function cliSchema(root: CommandDef): Promise<string> {
  const commands = [...everyNode(await commandTree(root))].filter(({ flags }) =>
    flags.some(({ name }) => name === 'json'),
  );
  const answers = commands.map(({ path }) => {
    const name = path.slice(1).join(' ');
    return [name, answerOf(name)] as const;
  });
  const page = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'What sbc-sip-sidecar prints with --json',
    description:
      'One definition for each command, and `error`. Later versions may add properties. All times are ms since the epoch.',
    $defs: { error: ERROR, ...Object.fromEntries(answers) },
  };
  return `${JSON.stringify(page, null, 2)}\n`;
}

function answerOf(name: string): JsonSchema {
  const own = OWN[name];
  if (own) return own();
  const action = ACTION_OF[name] ?? name.replaceAll(' ', '-');
  if (!isAction(action)) throw new Error(`no schema for the answer of ${name}`);
  const { properties, required } = objectOf(ACTIONS[action].result);
  return name === 'fs drain' ? answer({ ...properties, wait: WAIT }, required, {}) : answer(properties, required);
}

function answer(
  properties: Readonly<Record<string, JsonSchema>>,
  required: readonly string[],
  success: JsonSchema = { const: true },
): JsonSchema {
  return { type: 'object', properties: { success, ...properties }, required: ['success', ...required] };
}

function isAction(name: string): name is ActionName {
  return Object.hasOwn(ACTIONS, name);
}

function objectOf({ entries = {} }: Shape) {
  const all = Object.entries(entries);
  return {
    properties: Object.fromEntries(all.map(([name, entry]) => [name, schemaOf(entry)])),
    required: all.filter(([, { type }]) => type !== 'optional' && type !== 'exact_optional').map(([name]) => name),
  };
}

function schemaOf(shape: Shape): JsonSchema {
  const { type, item, wrapped, value, literal, options = [] } = shape;
  switch (type) {
    case 'object':
      return { type, ...objectOf(shape) };
    case 'array':
      return { type, items: item ? schemaOf(item) : {} };
    case 'record':
      return { type: 'object', additionalProperties: value ? schemaOf(value) : {} };
    case 'picklist':
      return { enum: options };
    case 'literal':
      return { const: literal };
    case 'nullable':
      return { anyOf: [wrapped ? schemaOf(wrapped) : {}, { type: 'null' }] };
    case 'optional':
    case 'exact_optional':
      return wrapped ? schemaOf(wrapped) : {};
    case 'unknown':
      return {};
    case 'string':
    case 'number':
    case 'boolean':
      return { type };
    default:
      throw new Error(`no JSON Schema for ${type} of valibot`);
  }
}
