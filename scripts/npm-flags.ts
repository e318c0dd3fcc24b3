import type { CommandNode } from '../src/commands/completion/tree.ts';

/** Overrides a safeguard. npm has a setting of this name too, so it may come from .npmrc. */
const NEVER_RESTORED = 'force';

export interface TakenFlags {
  /** To be added to the arguments. */
  readonly flags: readonly string[];
  /** Those whose value is somewhere among the arguments. */
  readonly lost: readonly string[];
  /** Those that may not have been meant for us. */
  readonly ignored: readonly string[];
}

/**
 * Finds the flags of a command that npm has taken. Up to version 11 npm takes those in `npm run cli fs drain 10.0.0.11 --wait`
 * for settings of its own: it drops them from the arguments and sets `npm_config_<flag>`, to `true` when the value is an argument
 * of its own. After a `--` it leaves flags alone. npm 12 refuses flags that it does not know.
 */
export function flagsTakenByNpm(command: CommandNode, env: Readonly<Record<string, string | undefined>>): TakenFlags {
  const flags: string[] = [];
  const lost: string[] = [];
  const ignored: string[] = [];
  for (const { name, value } of command.flags) {
    const setting = env[`npm_config_${name.replaceAll('-', '_')}`] ?? '';
    if (setting === '' || setting === 'false') continue;
    if (name === NEVER_RESTORED) ignored.push(`--${name}`);
    else if (value === undefined) flags.push(`--${name}`);
    else if (setting === 'true') lost.push(`--${name}`);
    else flags.push(`--${name}=${setting}`);
  }
  return { flags, lost, ignored };
}

/** The command that the first arguments name, or the group of the last one that is known. */
export function commandNamed(root: CommandNode, args: readonly string[]): CommandNode {
  const child = root.children.find(({ path }) => path[path.length - 1] === args[0]);
  return child ? commandNamed(child, args.slice(1)) : root;
}
