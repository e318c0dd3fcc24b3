const DELTA_SECONDS = /^\s*\d+\s*$/;
const MAX_SECONDS = 2 ** 32 - 1;

/**
 * Reads delta-seconds (RFC 3261 25.1). More than 2^32-1, the largest value of Expires (20.19), counts as 2^32-1.
 * @returns undefined when the text is missing or something else
 */
export function parseDeltaSeconds(text = ''): number | undefined {
  return DELTA_SECONDS.test(text) ? Math.min(Number(text), MAX_SECONDS) : undefined;
}
