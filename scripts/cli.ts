/** `npm run cli`: the command line, with the flags that npm has taken for its own. */
import { commandTree } from '../src/commands/completion/tree.ts';
import { printError } from '../src/commands/output.ts';
import { root } from '../src/commands/root.ts';
import { EXIT, runCommandLine } from '../src/commands/run.ts';
import { commandNamed, flagsTakenByNpm } from './npm-flags.ts';

void run(process.argv.slice(2));

async function run(args: readonly string[]): Promise<void> {
  const command = commandNamed(await commandTree(root), args);
  const { flags, lost, ignored } = flagsTakenByNpm(command, process.env);
  const remedy = `put -- before the command: npm run cli -- ${command.path.slice(1).join(' ')} …`;
  if (lost.length > 0) {
    await printError(`npm has taken the value of ${lost.join(', ')}; ${remedy}`);
    process.exitCode = EXIT.usage;
    return;
  }
  if (ignored.length > 0) await printError(`ignoring ${ignored.join(', ')}, which npm has taken; ${remedy}`);
  await runCommandLine(root, [...args, ...flags]);
}
