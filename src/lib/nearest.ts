/** Longer words are not compared: the work grows with the product of both lengths. */
const MAX_LENGTH = 100;
const LETTERS_PER_MISTAKE = 3;
const MAX_MISTAKES = 3;

/**
 * The candidate that a mistyped word most likely means: one that differs in at most a third of its letters, else one that
 * starts with the word. Ignores case. @returns undefined when none is near
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length < 2 || word.length > MAX_LENGTH) return undefined;
  const typed = word.toLowerCase();
  const allowed = Math.min(MAX_MISTAKES, Math.max(1, Math.floor(typed.length / LETTERS_PER_MISTAKE)));
  const ranked = candidates
    .map((candidate) => ({ candidate, mistakes: distance(typed, candidate.toLowerCase()) }))
    .sort((a, b) => a.mistakes - b.mistakes);
  const near = ranked.find(({ mistakes }) => mistakes <= allowed);
  return (near ?? ranked.find(({ candidate }) => candidate.toLowerCase().startsWith(typed)))?.candidate;
}

/** The end of a message about a mistyped word: `. Did you mean drain?`; '' when no candidate is near. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const found = nearest(word, candidates);
  return found === undefined ? '' : `. Did you mean ${found}?`;
}

/** How many letters are missing, too many, wrong, or two in the wrong order. */
export function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (isSame ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
