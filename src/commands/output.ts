/**
 * Text to stdout and stderr of short-lived commands. Bun.write, because process.stdout takes 16 ms to come to life;
 * it waits for slow readers, so nothing is lost at the end of the process.
 * Control characters of `text` go out as they are: what came from elsewhere goes through {@link printable} first.
 * @returns false when nobody reads any more
 */
export function print(text: string): Promise<boolean> {
  return write(Bun.stdout, text);
}

/** The same to stderr. */
export function complain(text: string): Promise<boolean> {
  return write(Bun.stderr, text);
}

/** With every character replaced that could do something to a terminal instead of being seen. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
}

/** JSON on one line, in which all such characters are escaped. */
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
