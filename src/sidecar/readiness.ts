import type { DependencyHealth } from '../lib/dependency.ts';

export type Phase = 'starting' | 'serving' | 'stopping';

export interface Readiness {
  /** `degraded`: the database is down, and cached rows serve on. */
  readonly state: 'ready' | 'degraded' | 'not ready';
  /** Unless ready. */
  readonly why?: string;
}

export interface Dependencies {
  readonly sip: DependencyHealth;
  readonly store: DependencyHealth;
  readonly database: DependencyHealth;
}

/**
 * Whether phones should be sent to this sidecar. A database that has answered once and is down now only degrades it: taking
 * every sidecar out of service would make the outage worse.
 */
export function readinessOf(phase: Phase, { sip, store, database }: Dependencies): Readiness {
  if (phase === 'stopping') return { state: 'not ready', why: 'stopping' };
  for (const dependency of [sip, store])
    if (dependency.state !== 'up') return { state: 'not ready', why: reasonOf(dependency) };
  if (database.state === 'unknown') return { state: 'not ready', why: reasonOf(database) };
  if (phase === 'starting') return { state: 'not ready', why: 'starting' };
  return database.state === 'up' ? { state: 'ready' } : { state: 'degraded', why: reasonOf(database) };
}

/** `degraded: MySQL does not answer`, in a line. */
export function readinessText({ state, why }: Pick<Readiness, 'state' | 'why'>): string {
  return why === undefined ? state : `${state}: ${why}`;
}

function reasonOf({ name, state }: DependencyHealth): string {
  return state === 'unknown' ? `${name} has not answered yet` : `${name} does not answer`;
}
