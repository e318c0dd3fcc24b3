/** The line of a key in a TOML file, counted from 1; of its table when the key is missing or in an inline table. */
export function lineOf(text: string, path: readonly (string | number)[]): number {
  const lines = text.split('\n');
  let from = 0;
  let prefix = '';
  let best = 1;
  for (let i = 0; i < path.length; i++) {
    const key = path[i];
    if (typeof key === 'number') continue;
    const name = prefix === '' ? `${key}` : `${prefix}.${key}`;
    const index = path[i + 1];
    const header = typeof index === 'number' ? `[[${name}]]` : `[${name}]`;
    const found = nthLine(lines, from, header, typeof index === 'number' ? index : 0);
    if (found !== undefined) {
      from = found;
      best = found + 1;
      prefix = name;
      continue;
    }
    const assignment = lines.findIndex((line, n) => n >= from && keyOf(line) === `${key}`);
    return assignment >= 0 ? assignment + 1 : best;
  }
  return best;
}

/** The key that a line assigns to, without its quotes; escapes stay as they are. */
function keyOf(line: string): string | undefined {
  const [, bare, basic, literal] = /^\s*(?:([^\s"'=]+)|"((?:[^"\\]|\\.)*)"|'([^']*)')\s*=/.exec(line) ?? [];
  return bare ?? basic ?? literal;
}

function nthLine(lines: readonly string[], from: number, header: string, n: number): number | undefined {
  let seen = 0;
  for (let i = from; i < lines.length; i++) if (lines[i]?.replace(/\s|#.*$/g, '') === header && seen++ === n) return i;
  return undefined;
}
