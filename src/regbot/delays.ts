import type { Failed } from './attempt.ts';

const FIRST_RETRY_MS = 30_000;
/** After a fault on our side, which is usually over soon: a reconnect, a restart. */
const FIRST_RETRY_OURS_MS = 2_000;
const MAX_RETRY_OURS_MS = 30_000;
/** A carrier may ask for patience, but not for ever; nor to be asked all the time. */
const MAX_RETRY_AFTER_MS = 3_600_000;
const MIN_RETRY_MS = 1_000;

/** When to renew a registration, milliseconds from now: at half its life, ±10 %. @param expires seconds */
export function refreshDelay(expires: number, random: () => number): number {
  return jittered(expires * 500, random);
}

/**
 * When to try again, milliseconds from now: at Retry-After or up to a tenth later; else 30 s, doubled each time up to
 * the given maximum, ±10 %.
 * @param failures how many there were in a row, this one included
 */
export function retryDelay(failure: Failed, failures: number, maxSeconds: number, random: () => number): number {
  if (failure.retryAfter !== undefined)
    return clamp(failure.retryAfter * 1000, MIN_RETRY_MS, MAX_RETRY_AFTER_MS) * (1 + random() / 10);
  const [first, longest] = failure.ours ? [FIRST_RETRY_OURS_MS, MAX_RETRY_OURS_MS] : [FIRST_RETRY_MS, Infinity];
  const doubled = Math.min(first * 2 ** (failures - 1), longest);
  return jittered(clamp(doubled, MIN_RETRY_MS, Math.max(maxSeconds * 1000, MIN_RETRY_MS)), random);
}

function jittered(ms: number, random: () => number): number {
  return ms * (0.9 + random() / 5);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
