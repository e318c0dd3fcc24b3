/**
 * Writes a line to stdout. Control characters are not replaced: pass foreign text through {@link printable} first.
 * Uses Bun.write, because process.stdout takes 16 ms to load. It waits for slow readers, so no output is lost at exit.
 * @returns false when the reader has closed the pipe
 */
export function print(text: string): Promise<boolean> {
  return write(Bun.stdout, text);
}

/** {@link print} to stderr. */
export function printError(text: string): Promise<boolean> {
  return write(Bun.stderr, text);
}

/** Replaces control, format and separator characters, which a terminal could act on. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
}

/** JSON on one line, with the same characters escaped. */
export function json(value: unknown): string {
  return JSON.stringify(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, i) => `\\u${hex(character.charCodeAt(i))}`).join(''),
  );
}

function hex(unit: number): string {
  return unit.toString(16).padStart(4, '0');
}

async function write(stream: Bun.BunFile, text: string): Promise<boolean> {
  try {
    await Bun.write(stream, `${text}\n`);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EPIPE') return false;
    throw error;
  }
}
