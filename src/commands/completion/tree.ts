import type { CommandDef } from 'citty';
import { resolved } from '../run.ts';

/** A command as completion and documentation see it. */
export interface Node {
  /** Names from the program's own down to this command's. */
  readonly path: readonly string[];
  readonly description: string;
  readonly children: readonly Node[];
  readonly positionals: readonly Argument[];
  readonly flags: readonly Argument[];
}

export interface Argument {
  readonly name: string;
  readonly description: string;
  /** What stands for its value; undefined for a flag that takes none. */
  readonly value: string | undefined;
  readonly required: boolean;
}

/** The whole tree of commands, loaded. */
export async function commandTree(command: CommandDef, above: readonly string[] = []): Promise<Node> {
  const meta = await resolved(command.meta);
  const path = [...above, meta?.name ?? ''];
  const children: Node[] = [];
  for (const child of Object.values((await resolved(command.subCommands)) ?? {})) {
    const definition: CommandDef | undefined = await resolved(child);
    if (definition) children.push(await commandTree(definition, path));
  }
  const args = Object.entries((await resolved(command.args)) ?? {}).map(([name, definition]) => {
    const { type, description = '', valueHint = name } = definition;
    const value = type === 'boolean' ? undefined : valueHint;
    const required = type === 'positional' && definition.required !== false;
    return { type, argument: { name, description, value, required } };
  });
  return {
    path,
    description: meta?.description ?? '',
    children,
    positionals: args.filter(({ type }) => type === 'positional').map(({ argument }) => argument),
    flags: args.filter(({ type }) => type !== 'positional').map(({ argument }) => argument),
  };
}

/** The node and all below it. */
export function* everyNode(node: Node): Generator<Node> {
  yield node;
  for (const child of node.children) yield* everyNode(child);
}

export function lastName({ path }: Node): string {
  return path[path.length - 1] ?? '';
}
