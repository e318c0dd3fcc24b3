import { escapeJson, printable } from '../lib/text.ts';

/** Output cannot be written, as on a full disk; the message is for the operator. */
export class OutputError extends Error {
  override readonly name = 'OutputError';
}

/**
 * Writes a line to stdout. Control characters are not replaced: pass foreign text through {@link printable} first.
 * Uses Bun.write, because process.stdout takes 16 ms to load. It waits for slow readers, so no output is lost at exit.
 * @returns false when the reader has closed the pipe
 * @throws OutputError
 */
export function print(text: string): Promise<boolean> {
  return write(Bun.stdout, text);
}

/** {@link print} to stderr. */
export function printError(text: string): Promise<boolean> {
  return write(Bun.stderr, text);
}

/** {@link printable}, but lines stay lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** JSON on one line, with the characters escaped that {@link printable} replaces. */
export function json(value: unknown): string {
  return escapeJson(JSON.stringify(value));
}

async function write(stream: Bun.BunFile, text: string): Promise<boolean> {
  try {
    await Bun.write(stream, `${text}\n`);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EPIPE') return false;
    throw new OutputError(`cannot write: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}
