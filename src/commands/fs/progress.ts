import { AdminError } from '../../admin/errors.ts';
import { printable } from '../../lib/text.ts';
import { print } from '../output.ts';
import { onTerminal } from '../terminal.ts';
import type { DrainState } from './drain-tracker.ts';

/** Shows progress: on a terminal one line that is overwritten, elsewhere a line per change. */
export class ProgressLine {
  #shown = '';

  private constructor(private readonly terminal: boolean) {}

  static async open(): Promise<ProgressLine> {
    return new ProgressLine(await onTerminal());
  }

  async show(line: string): Promise<void> {
    if (line === this.#shown) return;
    this.#shown = line;
    if (this.terminal) process.stdout.write(`\r\x1b[K${line}`);
    else await print(line);
  }

  end(): void {
    if (this.terminal && this.#shown !== '') process.stdout.write('\n');
  }
}

export function waitingFor(server: string, current: DrainState | AdminError): string {
  if (current instanceof AdminError) return printable(`Waiting for ${server}: ${current.message}; trying again`);
  const calls = current.state === 'busy' ? current.calls : 0;
  const why = calls === 0 ? 'no calls when it last checked in, waiting for its next check-in' : callsLeft(calls);
  return printable(`Waiting for ${server}: ${why}`);
}

export function callsLeft(calls: number | null): string {
  if (calls === null) return 'number of calls unknown';
  return calls === 1 ? '1 call left' : `${calls} calls left`;
}
