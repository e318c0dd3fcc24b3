import { distance } from '../lib/nearest.ts';

/** Prefixes of variables that are ours, or nearly so. */
const OURS = /^(JAMBONES_|SIDECAR_|DRACHTIO_|SBC_)/i;
/** Other parts of the platform have variables of these prefixes too: the fewer letters, the nearer a name must be. */
const LETTERS_PER_MISTAKE = 3;
const MAX_MISTAKES = 4;
const MAX_NAME_LENGTH = 100;

/** One line for each variable of the environment that looks like a misspelt one of ours. */
export function misspeltIn(env: Readonly<Record<string, string | undefined>>, known: readonly string[]): string[] {
  const names = new Set(known);
  const unknown = Object.keys(env).filter((name) => OURS.test(name) && !names.has(name));
  return unknown.flatMap((name) => {
    const nearest = name.length > MAX_NAME_LENGTH ? undefined : nearestTo(name, known);
    return nearest === undefined ? [] : [`${name} is not known: did you mean ${nearest}?`];
  });
}

function nearestTo(name: string, known: readonly string[]): string | undefined {
  const upper = name.toUpperCase();
  const prefix = OURS.exec(upper)?.[0] ?? '';
  const allowed = Math.min(MAX_MISTAKES, Math.floor((upper.length - prefix.length) / LETTERS_PER_MISTAKE));
  const ranked = known
    .map((candidate) => ({ candidate, mistakes: distance(upper, candidate) }))
    .sort((a, b) => a.mistakes - b.mistakes);
  // Cut short or too long: JAMBONES_REDIS_PASS, SIDECAR_DATA_DIRECTORY.
  const isPart = (a: string, b: string) => a.startsWith(b) && b.length > prefix.length;
  const cut = ranked.find(({ candidate }) => isPart(candidate, upper) || isPart(upper, candidate));
  return (cut ?? ranked.find(({ mistakes }) => mistakes <= allowed))?.candidate;
}
