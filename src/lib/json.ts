/** The value that a JSON text stands for; undefined, which no JSON is, when the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // JSON.parse throws SyntaxError only
  }
}

/**
 * Whether lists and objects of a parsed JSON text are in one another beyond this many levels. To serialise some ten
 * thousand levels takes seconds, and Redis reads no more than a thousand.
 */
export function nestsDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => nestsDeeperThan(member, levels - 1));
}
