import { type CommandDef, defineCommand } from 'citty';
import { print } from '../output.ts';
import { bash } from './bash.ts';
import { fish } from './fish.ts';
import { type CommandNode, commandTree } from './tree.ts';
import { zsh } from './zsh.ts';

export default defineCommand({
  meta: { name: 'completion', description: 'Print a shell completion script' },
  subCommands: {
    bash: shell('bash', 'Print a script that completes commands and flags in bash', bash),
    zsh: shell('zsh', 'Print a script that completes commands and flags in zsh', zsh),
    fish: shell('fish', 'Print a script that completes commands and flags in fish', fish),
  },
});

function shell(name: string, description: string, script: (root: CommandNode) => string): CommandDef {
  return defineCommand({
    meta: { name, description },
    async run() {
      const { root } = await import('../root.ts');
      await print(script(await commandTree(root)).trimEnd());
    },
  });
}
