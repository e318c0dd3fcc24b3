import { turn } from '../lib/background.ts';
import type { Dependency } from '../lib/dependency.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import type { AorCounts, RegistrationCounts } from '../ports/registration-counts.ts';
import type { ServerPool } from '../ports/server-pool.ts';

/** Pause between two counts: at most this old is what metrics show. */
const INTERVAL_MS = 10_000;
/** Realms that are counted by name. */
const MAX_REALMS = 50;

export interface ClusterFigures {
  readonly aors: AorCounts;
  readonly featureServers: { readonly active: number; readonly drained: number };
  readonly rtpServers: number;
}

export interface ClusterCountsOptions {
  readonly store: Dependency;
  readonly registrations: RegistrationCounts;
  readonly pool: ServerPool;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Called with every count. */
  readonly onCounted: (figures: ClusterFigures) => void;
}

/** Counts regularly in the background what the store holds of the whole cluster, so that no scrape has to wait for it. */
export class ClusterCounts {
  #latest: ClusterFigures | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(private readonly options: ClusterCountsOptions) {}

  /** undefined until the first count, and while the store does not answer. */
  get latest(): ClusterFigures | undefined {
    return this.options.store.health.state === 'up' ? this.#latest : undefined;
  }

  start(): void {
    void this.#turn();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Never rejects. */
  async #turn(): Promise<void> {
    const { store, logger, timers, onCounted } = this.options;
    this.#latest =
      store.health.state === 'up'
        ? await turn(logger, 'count of registrations', () => this.#count(), timers)
        : undefined;
    if (this.#stopped) return;
    if (this.#latest) onCounted(this.#latest);
    this.#timer = timers.after(INTERVAL_MS, () => this.start());
  }

  async #count(): Promise<ClusterFigures> {
    const { registrations, pool } = this.options;
    const [aors, { servers, drained }, rtpServers] = await Promise.all([
      registrations.count(MAX_REALMS),
      pool.featureServers(),
      pool.rtpServers(),
    ]);
    const active = servers.filter((server) => server.active).length;
    return { aors, featureServers: { active, drained: drained.length }, rtpServers };
  }
}
