import type { Timers } from '../lib/timers.ts';
import type { Directory } from '../ports/directory.ts';
import type { LocationService } from '../ports/location.ts';
import type { Metrics } from '../ports/metrics.ts';

type Step = Parameters<Metrics['registerStep']>[0];

/** The location service, with the duration of each question measured as the step `store`. */
export function measuredLocation(
  location: LocationService,
  metrics: Metrics,
  timers: Timers,
): Pick<LocationService, 'lookup' | 'update'> {
  const timed = stopwatch('store', metrics, timers);
  return {
    lookup: (aor, options) => timed(() => location.lookup(aor, options)),
    update: (update) => timed(() => location.update(update)),
  };
}

/** The directory, with the duration of each look-up measured as the step `lookup`. */
export function measuredDirectory(directory: Directory, metrics: Metrics, timers: Timers): Directory {
  const timed = stopwatch('lookup', metrics, timers);
  return {
    accountByRealm: (realm) => timed(() => directory.accountByRealm(realm)),
    client: (accountSid, username) => timed(() => directory.client(accountSid, username)),
    authenticated: (realm) => directory.authenticated?.(realm),
    deviceLimit: (account) => timed(() => directory.deviceLimit(account)),
  };
}

function stopwatch(step: Step, metrics: Metrics, timers: Timers) {
  return async <T>(ask: () => Promise<T>): Promise<T> => {
    const startedAt = timers.monotonic();
    try {
      return await ask();
    } finally {
      metrics.registerStep(step, timers.monotonic() - startedAt);
    }
  };
}
