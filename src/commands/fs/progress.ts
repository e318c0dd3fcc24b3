import { AdminError } from '../../admin/errors.ts';
import { print, printable } from '../output.ts';
import { onTerminal } from '../terminal.ts';
import type { Standing } from './emptying.ts';

/** Shows how a wait goes: on a terminal one line that is written over, elsewhere a line for each change. */
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

  /** What comes next starts on a line of its own. */
  end(): void {
    if (this.terminal && this.#shown !== '') process.stdout.write('\n');
  }
}

/** One line on how a server stands that is waited for. */
export function waitingFor(server: string, standing: Standing | AdminError): string {
  if (standing instanceof AdminError) return printable(`Waiting for ${server}: ${standing.message}; trying again`);
  const calls = standing.state === 'busy' ? standing.calls : 0;
  const why = calls === 0 ? 'no calls when it last checked in, waiting for its next check-in' : callsLeft(calls);
  return printable(`Waiting for ${server}: ${why}`);
}

export function callsLeft(calls: number | null): string {
  if (calls === null) return 'number of calls unknown';
  return calls === 1 ? '1 call left' : `${calls} calls left`;
}
