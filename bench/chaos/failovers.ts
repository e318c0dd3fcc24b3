import { Redis } from 'ioredis';
import { within } from '../../test/support/deadline.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { RedisServer } from '../../test/support/redis.ts';
import type { SentinelCluster } from '../../test/support/sentinels.ts';
import type { Interval } from './history.ts';

const BEAT = 'chaos:beat';
const POLL_MS = 20;
const ANSWER_MS = 250;
const RECONNECT_MS = 20;

/** What a server was when it last answered; `down`: it refuses connections. */
type State = 'primary' | 'replica' | 'down';

interface Watched {
  readonly server: RedisServer;
  readonly client: Redis;
  state: State | undefined;
  /** Of a replica whose link is up: its primary. */
  primaryPort: number | undefined;
  /** When it first and last refused a connection while it was down. */
  downFrom: number;
  downUntil: number;
}

interface Lossy extends Interval {
  readonly watched: Watched;
  until: number;
}

/** A change that was seen, performance.now(). */
export interface Change {
  readonly at: number;
  readonly port: number;
  readonly state: State;
}

/**
 * Watches which Redis server is the primary, and when one acknowledged writes that its successor did not get.
 *
 * Every 20 ms the time is written to the primary. Replication keeps the order of writes, so a server that is promoted has
 * everything that was acknowledged before the time found in it. What was acknowledged later, until the former primary ended
 * or became a replica, may be lost.
 */
export class Failovers implements AsyncDisposable {
  count = 0;
  readonly changes: Change[] = [];
  readonly #watched: readonly Watched[];
  readonly #lossy: Lossy[] = [];
  /** The one that was promoted last. */
  #primary: Watched | undefined;
  #stopped = false;
  readonly #loops: Promise<unknown>;

  constructor(private readonly cluster: SentinelCluster) {
    this.#watched = cluster.servers.map((server) => this.#watch(server));
    this.#loops = Promise.all(this.#watched.map((watched) => this.#loop(watched)));
    // Disposal throws the error.
    this.#loops.catch(() => {});
  }

  get lossy(): readonly Interval[] {
    return this.#lossy;
  }

  /** The primary and its replicas; undefined unless there is one primary to which all others are linked. */
  get whole(): { readonly primary: RedisServer; readonly replicas: readonly RedisServer[] } | undefined {
    const [primary, ...others] = this.#watched.toSorted((a, b) => rank(a) - rank(b));
    if (primary?.state !== 'primary') return undefined;
    const linked = ({ state, primaryPort }: Watched) => state === 'replica' && primaryPort === primary.server.port;
    if (!others.every(linked)) return undefined;
    return { primary: primary.server, replicas: others.map(({ server }) => server) };
  }

  /** As `whole`, once the sentinels agree; undefined when that takes longer than `deadlineMs`. */
  async untilWhole(deadlineMs: number): Promise<Failovers['whole']> {
    const agreed = async () => {
      const { whole } = this;
      return whole && (await this.#agree((port) => port === whole.primary.port)) ? whole : undefined;
    };
    return eventually('one primary', agreed, { deadlineMs }).catch(() => undefined);
  }

  /** Resolves when most sentinels name another primary. Started before, the former one would be their primary, empty. */
  async untilReplaced(former: RedisServer, deadlineMs: number): Promise<void> {
    const replaced = async () => (await this.#agree((port) => port !== former.port)) || undefined;
    await eventually('a failover', replaced, { deadlineMs });
  }

  /** @throws when something went wrong with the watch */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    for (const { client } of this.#watched) client.disconnect();
    await this.#loops;
  }

  async #agree(accepts: (port: number) => boolean): Promise<boolean> {
    const named = await this.cluster.mastersNamed();
    return named.filter(accepts).length > this.cluster.members.length / 2;
  }

  async #loop(watched: Watched): Promise<void> {
    while (!this.#stopped) {
      await this.#look(watched);
      await Bun.sleep(POLL_MS);
    }
  }

  #watch(server: RedisServer): Watched {
    const { host, port } = server;
    const retryStrategy = () => RECONNECT_MS;
    const client = new Redis({ host, port, retryStrategy, enableOfflineQueue: false, maxRetriesPerRequest: 0 });
    const watched: Watched = {
      server,
      client,
      state: undefined,
      primaryPort: undefined,
      downFrom: 0,
      downUntil: 0,
    };
    client.on('error', (error) => {
      if (!('code' in error && error.code === 'ECONNREFUSED')) return;
      watched.downUntil = performance.now();
      if (watched.state !== 'down') watched.downFrom = watched.downUntil;
      this.#noLongerPrimary(watched, 'down');
    });
    return watched;
  }

  async #look(watched: Watched): Promise<void> {
    const { client } = watched;
    let role: unknown[];
    let beat: string | null;
    let keys: number;
    try {
      const asked = Promise.all([client.role(), client.get(BEAT), client.dbsize()]);
      [role, beat, keys] = await within(asked, ANSWER_MS, 'an answer');
    } catch {
      // It hangs or is not connected. When it is down, the next connection is refused.
      return;
    }
    const [kind, , port, link] = role;
    if (kind === 'master') {
      if (watched.state !== 'primary') this.#nowPrimary(watched, beat);
      if (watched !== this.#primary && keys > 0) this.#written(watched);
      if (watched !== this.#primary && this.whole?.primary === watched.server) this.#keptAsPrimary(watched);
      // A failure shows at the next look.
      if (watched === this.#primary) client.set(BEAT, performance.now()).catch(() => {});
    } else {
      this.#noLongerPrimary(watched, 'replica');
      watched.primaryPort = link === 'connected' ? Number(port) : undefined;
    }
  }

  #nowPrimary(watched: Watched, beat: string | null): void {
    const former = this.#primary;
    if (former === undefined) this.#primary = watched;
    else if (watched.state === 'replica') {
      this.count++;
      const until = former.state === 'primary' ? Number.POSITIVE_INFINITY : former.downFrom;
      this.#lossy.push({ watched: former, from: Number(beat ?? 0), until });
      this.#primary = watched;
    }
    this.#change(watched, 'primary');
  }

  /** A restarted server is a primary, empty, until a sentinel makes it a replica. What it acknowledges meanwhile is lost. */
  #written(watched: Watched): void {
    if (this.#lossy.some((interval) => interval.watched === watched && interval.until > performance.now())) return;
    this.#lossy.push({ watched, from: watched.downUntil, until: Number.POSITIVE_INFINITY });
  }

  /** The sentinels kept a primary that was restarted. */
  #keptAsPrimary(watched: Watched): void {
    this.#noLongerLossy(watched);
    this.#primary = watched;
  }

  #noLongerPrimary(watched: Watched, state: 'replica' | 'down'): void {
    this.#noLongerLossy(watched);
    if (watched.state !== state) this.#change(watched, state);
  }

  #noLongerLossy(watched: Watched): void {
    const now = performance.now();
    for (const interval of this.#lossy) if (interval.watched === watched && interval.until > now) interval.until = now;
  }

  #change(watched: Watched, state: State): void {
    watched.state = state;
    this.changes.push({ at: performance.now(), port: watched.server.port, state });
  }
}

function rank({ state }: Watched): number {
  return state === 'primary' ? 0 : 1;
}
