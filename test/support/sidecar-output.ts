import { within } from './deadline.ts';
import { configured, exposed, searchForSecrets } from './secrets.ts';

const END_DEADLINE_MS = 5_000;
/** The binary, or its source, as a word of a command line or within one of a shell. */
const SIDECAR = /\/(sbc-sip-sidecar|src\/main\.ts)(?![\w./-])/;
/** The lines of the banner that show the demo account's password on purpose. */
const BANNER = /^ {2}Demo user |^ {4}baresip -e /;

interface Output {
  readonly command: string;
  readonly lines: readonly string[];
}

const running = new Set<{ readonly ended: Promise<unknown>; search(): void }>();

/** Whether a command line runs the sidecar, as `serve` or any other command. */
export function runsSidecar(words: readonly string[]): boolean {
  return words.some((word) => SIDECAR.test(word));
}

/** The variables of a sidecar in a test, whose secrets are registered: everything is logged unless the test sets a level. */
export function sidecarVariables(env: Readonly<Record<string, string>>): Record<string, string> {
  configured(env);
  return { JAMBONES_LOGLEVEL: 'trace', ...env };
}

/** Searches the output of a sidecar for secrets when it has ended. */
export function watchOutput({ command, lines }: Output, maxLines: number, ended: Promise<unknown>): void {
  const watched = {
    ended,
    search() {
      if (!running.delete(watched)) return;
      if (lines.length >= maxLines) exposed(`${command} printed more lines than are searched for secrets`);
      const isBanner = (line: string) => command.includes(' --embedded') && BANNER.test(line);
      searchForSecrets(
        command,
        lines.filter((line) => !isBanner(line)),
      );
    },
  };
  running.add(watched);
  void ended.then(watched.search);
}

/** Searches the output of sidecars that tests have left running, too. */
export async function searchAllOutput(): Promise<void> {
  await Promise.all(
    [...running].map(async ({ ended, search }) => {
      // A process that it has started may keep its output open.
      await within(ended, END_DEADLINE_MS, 'end of output').catch(() => {});
      search();
    }),
  );
}
