import type { Logger } from '../../src/lib/logger.ts';
import { searchForSecrets } from './secrets.ts';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: object;
  readonly message: string;
}

/** Keeps its lines, and fails the test when one shows a secret. */
export class RecordingLogger implements Logger {
  readonly lines: LogLine[] = [];
  debug = (fields: object, message: string) => this.#record({ level: 'debug', fields, message });
  info = (fields: object, message: string) => this.#record({ level: 'info', fields, message });
  warn = (fields: object, message: string) => this.#record({ level: 'warn', fields, message });
  error = (fields: object, message: string) => this.#record({ level: 'error', fields, message });

  #record(line: LogLine): void {
    this.lines.push(line);
    searchForSecrets('the log', [JSON.stringify(line)]);
  }
}
