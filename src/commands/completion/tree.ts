import type { CommandDef } from 'citty';
import { resolved } from '../run.ts';
import { type Offers, offersOf } from './offers.ts';

export interface CommandNode {
  readonly path: readonly string[];
  readonly description: string;
  readonly children: readonly CommandNode[];
  readonly positionals: readonly Argument[];
  readonly flags: readonly Argument[];
}

export interface Argument {
  readonly name: string;
  readonly description: string;
  /** Placeholder for the value; undefined for a flag without one. */
  readonly value: string | undefined;
  readonly required: boolean;
  readonly offers: Offers;
}

/** Loads a command and all its sub-commands. */
export async function commandTree(command: CommandDef, above: readonly string[] = []): Promise<CommandNode> {
  const meta = await resolved(command.meta);
  const path = [...above, meta?.name ?? ''];
  const children: CommandNode[] = [];
  for (const child of Object.values((await resolved(command.subCommands)) ?? {})) {
    const definition: CommandDef | undefined = await resolved(child);
    if (definition && !(await resolved(definition.meta))?.hidden) children.push(await commandTree(definition, path));
  }
  const args = Object.entries((await resolved(command.args)) ?? {}).map(([name, definition]) => {
    const { type, description = '', valueHint = name } = definition;
    const value = type === 'boolean' ? undefined : valueHint;
    const required = type === 'positional' && definition.required !== false;
    const offers = type === 'enum' ? { words: definition.options ?? [] } : {};
    return { type, argument: { name, description, value, required, offers } };
  });
  const positionals = args.filter(({ type }) => type === 'positional').map(({ argument }) => argument);
  const offers = offersOf(path.slice(1).join(' '));
  return {
    path,
    description: meta?.description ?? '',
    children,
    positionals: positionals.map((argument, i) => (i === 0 ? { ...argument, offers } : argument)),
    flags: args.filter(({ type }) => type !== 'positional').map(({ argument }) => argument),
  };
}

export function* everyNode(node: CommandNode): Generator<CommandNode> {
  yield node;
  for (const child of node.children) yield* everyNode(child);
}

/** The words after this command complete as they do without it. */
export const HELP = 'help';

export function lastName({ path }: CommandNode): string {
  return path[path.length - 1] ?? '';
}
