import { Redis } from 'ioredis';
import { within } from '../../test/support/deadline.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { RedisServer } from '../../test/support/redis.ts';
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
  /** A replica whose link to `primaryPort` is up. */
  linked: boolean;
  primaryPort: number;
  /** When it last refused a connection. */
  downAt: number;
}

interface Lossy extends Interval {
  readonly watched: Watched;
  until: number;
}

/**
 * Watches which Redis server is the primary, and when one acknowledged writes that its successor did not get.
 *
 * Every 20 ms the time is written to the primary. Replication keeps the order of writes, so a server that is promoted has
 * everything that was acknowledged before the time found in it. What was acknowledged later, until the former primary ended
 * or became a replica, may be lost.
 */
export class Failovers {
  count = 0;
  readonly #watched: readonly Watched[];
  readonly #intervals: Lossy[] = [];
  #primary: Watched | undefined;
  #stopped = false;
  readonly #loops: Promise<unknown>;

  constructor(servers: readonly RedisServer[]) {
    this.#watched = servers.map((server) => this.#watch(server));
    this.#loops = Promise.all(this.#watched.map((watched) => this.#loop(watched)));
    // `stop` throws the error.
    this.#loops.catch(() => {});
  }

  get lossy(): readonly Interval[] {
    return this.#intervals;
  }

  /** The primary and its replicas; undefined unless there is one primary to which all others are linked. */
  get whole(): { readonly primary: RedisServer; readonly replicas: readonly RedisServer[] } | undefined {
    const primary = this.#primary;
    if (primary?.state !== 'primary') return undefined;
    const replicas = this.#watched.filter((watched) => watched !== primary);
    const linked = ({ state, linked, primaryPort }: Watched) =>
      state === 'replica' && linked && primaryPort === primary.server.port;
    if (!replicas.every(linked)) return undefined;
    return { primary: primary.server, replicas: replicas.map(({ server }) => server) };
  }

  untilWhole(deadlineMs: number): Promise<unknown> {
    const describe = () => this.#watched.map(({ server, state, linked }) => ({ port: server.port, state, linked }));
    return eventually('one primary with its replicas', () => this.whole, { deadlineMs, describe });
  }

  /** Resolves when another server than this one is the primary. */
  async untilPromoted(former: object, deadlineMs: number): Promise<void> {
    const promoted = () => this.#primary?.server !== former || undefined;
    await eventually('a failover', promoted, { deadlineMs });
  }

  /** @throws when something went wrong with the watch */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loops;
    for (const { client } of this.#watched) client.disconnect();
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
    const watched: Watched = { server, client, state: undefined, linked: false, primaryPort: 0, downAt: 0 };
    client.on('error', (error) => {
      if (!('code' in error && error.code === 'ECONNREFUSED')) return;
      this.#noLongerPrimary(watched);
      watched.state = 'down';
      watched.downAt = performance.now();
    });
    return watched;
  }

  async #look(watched: Watched): Promise<void> {
    const { client } = watched;
    let role: unknown[];
    let beat: string | null;
    try {
      [role, beat] = await within(Promise.all([client.role(), client.get(BEAT)]), ANSWER_MS, 'an answer');
    } catch {
      // It hangs or is not connected. When it is down, the next connection is refused.
      return;
    }
    const [kind, , port, link] = role;
    if (kind === 'master') {
      if (watched.state !== 'primary') this.#nowPrimary(watched, beat);
      watched.state = 'primary';
      // A failure shows at the next look.
      if (watched === this.#primary) client.set(BEAT, performance.now()).catch(() => {});
    } else {
      this.#noLongerPrimary(watched);
      watched.state = 'replica';
      watched.linked = link === 'connected';
      watched.primaryPort = Number(port);
    }
  }

  #nowPrimary(watched: Watched, beat: string | null): void {
    const former = this.#primary;
    if (former === undefined) this.#primary = watched;
    else if (watched.state === 'replica') {
      this.count++;
      const until = former.state === 'down' ? former.downAt : Number.POSITIVE_INFINITY;
      this.#intervals.push({ watched: former, from: Number(beat ?? 0), until });
      this.#primary = watched;
    } else {
      // Restarted, it is a primary until a sentinel makes it a replica.
      this.#intervals.push({ watched, from: watched.downAt, until: Number.POSITIVE_INFINITY });
    }
  }

  #noLongerPrimary(watched: Watched): void {
    const now = performance.now();
    for (const interval of this.#intervals)
      if (interval.watched === watched && interval.until > now) interval.until = now;
  }
}
