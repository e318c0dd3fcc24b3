import { isatty } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';
import { type CommandDef, renderUsage } from 'citty';

/**
 * The usage of a command, in colour if `fd` is a terminal.
 * @param path names of the parent commands
 */
export async function usageOf(command: CommandDef, path: readonly string[], fd: 1 | 2): Promise<string> {
  const text = await renderUsage(command, path.length > 0 ? { meta: { name: path.join(' ') } } : undefined);
  return (isatty(fd) && !process.env.NO_COLOR ? text : stripVTControlCharacters(text)).trimEnd();
}
