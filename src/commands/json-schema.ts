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

type JsonSchema = Readonly<Record<string, unknown>>;
type Properties = Readonly<Record<string, JsonSchema>>;

/** Commands whose answer is that of an action with another name. */
const ACTION_OF: Readonly<Record<string, ActionName>> = {
  'fs active': 'fs-available',
  'fs watch': 'fs-list',
  'log level': 'get',
};

const text = { type: 'string' } as const;

const count = { type: 'number' } as const;

/** Answers that are no action's. */
const ANSWERS: Readonly<Record<string, () => JsonSchema>> = {
  version: () =>
    answer({ version: text, commit: text, built: text, bun: text }, { licenses: { type: 'array', items: LICENSE } }),
  help: () => answer({ usage: text }),
  'reg list': () => ({
    type: 'object',
    description: 'With `success` false, the list is not complete, and `error` says why.',
    properties: { bindings: objectOf(STREAMS['reg-list'].part).properties.bindings, success: {}, error: text },
    required: ['bindings', 'success'],
  }),
  'reg count': () => answer({ bindings: count, aors: count }, { by: text, counts: { type: 'array', items: COUNT } }),
  events: () => ({
    description: 'Each line: an event (docs/events.md), or the number of events that are missing before the next line.',
    anyOf: [
      objectOf(STREAMS.events.part).properties.events?.items,
      { type: 'object', properties: { dropped: count }, required: ['dropped'] },
    ],
  }),
};

const LICENSE = {
  type: 'object',
  description: 'With --licenses: one of each package inside.',
  properties: { name: text, version: text, license: text, text },
  required: ['name', 'version', 'license', 'text'],
} as const;

const COUNT = {
  type: 'object',
  properties: { value: { type: ['string', 'null'] }, bindings: count },
  required: ['value', 'bindings'],
} as const;

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
  const own = ANSWERS[name];
  if (own) return own();
  const action = ACTION_OF[name] ?? name.replaceAll(' ', '-');
  if (!isAction(action)) throw new Error(`no schema for the answer of ${name}`);
  const { properties, required } = objectOf(ACTIONS[action].result);
  const isWait = name === 'fs drain';
  return {
    type: 'object',
    properties: { success: isWait ? {} : { const: true }, ...properties, ...(isWait ? { wait: WAIT } : {}) },
    required: ['success', ...required],
  };
}

function answer(properties: Properties, optional: Properties = {}): JsonSchema {
  return {
    type: 'object',
    properties: { success: { const: true }, ...properties, ...optional },
    required: ['success', ...Object.keys(properties)],
  };
}

function isAction(name: string): name is ActionName {
  return Object.hasOwn(ACTIONS, name);
}

function objectOf({ entries = {} }: Shape): { properties: Properties; required: readonly string[] } {
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
    case 'object_with_rest':
      return { type: 'object', ...objectOf(shape) };
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
