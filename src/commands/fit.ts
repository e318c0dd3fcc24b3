/** A column of a table; widths are in screen columns. */
export interface Sized {
  readonly width: number;
  /** It may be narrowed to this. */
  readonly min?: number | undefined;
  /** It may be left out; that with the lowest number goes first. */
  readonly spare?: number | undefined;
}

/**
 * Narrows columns, the widest first, and then leaves out spare ones, until a row takes no more than `limit`.
 * @param gap between two columns
 * @returns the width of each column, 0 for one that is left out; a row may still be longer when all of that does not do
 */
export function fitted(columns: readonly Sized[], limit: number, gap: number): number[] {
  const widths = columns.map(({ width }) => width);
  const least = columns.map(({ width, min = width }) => Math.min(width, min));
  const bySpare = columns
    .flatMap(({ spare }, i) => (spare === undefined ? [] : [{ i, spare }]))
    .sort((a, b) => a.spare - b.spare);
  const excess = (sizes: readonly number[]) =>
    sizes.reduce((sum, size) => sum + (size === 0 ? 0 : size + gap), -gap) - limit;
  for (const { i } of bySpare) {
    if (excess(least) <= 0) break;
    widths[i] = 0;
    least[i] = 0;
  }
  for (let over = excess(widths); over > 0; over = excess(widths)) {
    const widest = widestOf(widths, least);
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

/** The index of the widest column that may be narrower. */
function widestOf(widths: readonly number[], least: readonly number[]): number | undefined {
  let widest: number | undefined;
  for (const [i, width] of widths.entries())
    if (width > (least[i] ?? width) && (widest === undefined || width > (widths[widest] ?? 0))) widest = i;
  return widest;
}

/** The shortest beginnings, of at least `min` characters, that tell the texts apart. */
export function beginnings(texts: readonly string[], min: number): string[] {
  const longest = texts.reduce((most, { length }) => Math.max(most, length), 0);
  const distinct = new Set(texts).size;
  for (let length = min; length < longest; length++) {
    const cut = texts.map((text) => text.slice(0, length));
    if (new Set(cut).size === distinct) return cut;
  }
  return [...texts];
}
