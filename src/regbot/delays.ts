import type { Failed } from './task.ts';

const FIRST_RETRY_MS = 30_000;
/** Failures on our side, such as a reconnect or restart, are usually short. */
const FIRST_RETRY_OURS_MS = 2_000;
const MAX_RETRY_OURS_MS = 30_000;
/** Longest wait that a carrier's Retry-After may demand. */
const MAX_RETRY_AFTER_MS = 3_600_000;
const MIN_RETRY_MS = 1_000;
/** However long a carrier's Min-Expires makes a registration, it is confirmed once a day. */
const MAX_REFRESH_MS = 86_400_000;

/** Milliseconds until a registration is refreshed: half its expiry, a day at most, ±10 %. @param expires seconds */
export function refreshDelay(expires: number, random: () => number): number {
  return jittered(Math.min(expires * 500, MAX_REFRESH_MS), random);
}

/**
 * Milliseconds until the next attempt: 30 s doubled per failure up to the maximum, ±10 %, and at least Retry-After plus
 * up to 10 %.
 * @param failures in a row, including this one
 */
export function retryDelay(failure: Failed, failures: number, maxSeconds: number, random: () => number): number {
  const asked = Math.min((failure.retryAfterSeconds ?? 0) * 1000, MAX_RETRY_AFTER_MS) * (1 + random() / 10);
  return Math.max(asked, backoff(failure, failures, maxSeconds, random));
}

function backoff(failure: Failed, failures: number, maxSeconds: number, random: () => number): number {
  const [first, longest] = failure.ourFault ? [FIRST_RETRY_OURS_MS, MAX_RETRY_OURS_MS] : [FIRST_RETRY_MS, Infinity];
  const doubled = Math.min(first * 2 ** (failures - 1), longest);
  return jittered(clamp(doubled, MIN_RETRY_MS, Math.max(maxSeconds * 1000, MIN_RETRY_MS)), random);
}

function jittered(ms: number, random: () => number): number {
  return ms * (0.9 + random() / 5);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
