import type { Redis } from 'ioredis';
import { parseJson } from '../../lib/json.ts';
import type { Logger } from '../../lib/logger.ts';
import { OncePer } from '../../lib/once-per.ts';
import type { Clock } from '../../lib/timers.ts';
import type { CheckIn, CheckInOutcome, FeatureServer, ServerKind, ServerPool } from '../../ports/server-pool.ts';
import { ipOf } from '../../sip/ip.ts';
import { ask } from './connection.ts';
import { clusterKeys, keys } from './keys.ts';
import { integerOf, listOf, textsOf } from './replies.ts';
import { Script } from './script.ts';
import { CHECK_IN, DRAIN, EXPIRE, LIST, UNDRAIN } from './server-pool-scripts.ts';

const checkIn = new Script(CHECK_IN);
const drain = new Script(DRAIN);
const undrain = new Script(UNDRAIN);
const expire = new Script(EXPIRE);
const list = new Script(LIST);

/** Between two warnings about one server's stored check-in, milliseconds. */
const MALFORMED_INTERVAL_MS = 3_600_000;

interface StoredCheckIn {
  /** Milliseconds since the epoch. */
  readonly at?: number;
  /** The member was in the set without a check-in. */
  readonly found?: boolean;
  readonly calls?: number;
  readonly url?: string;
}

export class RedisServerPool implements ServerPool {
  readonly #keys: ReturnType<typeof clusterKeys>;
  readonly #malformed: OncePer;

  constructor(
    private readonly redis: Redis,
    cluster: string,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.#malformed = new OncePer(MALFORMED_INTERVAL_MS, clock);
    this.#keys = clusterKeys(cluster);
  }

  async checkIn({ kind, member, open, calls, serviceUrl = '' }: CheckIn): Promise<CheckInOutcome> {
    const args = [member, open ? '1' : '0', this.clock.now(), calls ?? '', serviceUrl];
    const reply = listOf(await this.#run(checkIn, this.#sets(kind), args));
    const [change, members] = [integerOf(reply[0]), integerOf(reply[1])];
    return { members, ...(change !== 0 && { change: change > 0 ? 'joined' : 'left' }) };
  }

  async drain(ip: string): Promise<string[]> {
    return sorted(await this.#run(drain, this.#sets('feature'), [ip]));
  }

  async undrain(ip: string, silentMs: number): Promise<string[]> {
    return sorted(await this.#run(undrain, this.#sets('feature'), [ip, this.clock.now() - silentMs]));
  }

  async expire(kind: ServerKind, silentMs: number): Promise<string[]> {
    const now = this.clock.now();
    return sorted(await this.#run(expire, [...this.#sets(kind), this.#keys.strayUrls], [now, now - silentMs]));
  }

  async featureServers(): Promise<{ servers: FeatureServer[]; drained: string[] }> {
    const { activeFeatureServers, featureCheckIns, drained } = this.#keys;
    const reply = await this.#run(list, [activeFeatureServers, featureCheckIns, drained], []);
    const [members = [], checkIns = [], drainedIps = []] = listOf(reply).map(textsOf);
    const known = new Map(pairs(checkIns));
    const drainedSet = new Set(drainedIps);
    for (const member of members) if (!known.has(member)) known.set(member, '{}');
    const servers = [...known].flatMap(([member, json]): FeatureServer[] => {
      const ip = ipOf(member) ?? member;
      const active = members.includes(member) && !drainedSet.has(ip);
      // A server that removed itself from the set is shutting down.
      if (!active && !drainedSet.has(ip)) return [];
      const { at, found, calls, url } = this.#readCheckIn(member, json);
      return [
        {
          member,
          ip,
          active,
          ...(at !== undefined && !found && { lastCheckIn: at }),
          ...(calls !== undefined && { calls }),
          ...(url && { serviceUrl: url }),
        },
      ];
    });
    return { servers: servers.sort((a, b) => (a.member < b.member ? -1 : 1)), drained: sorted(drainedIps) };
  }

  async inKubernetes(): Promise<number> {
    return integerOf(await ask(() => this.redis.scard(keys.kubernetesFeatureServers)));
  }

  async rtpServers(): Promise<number> {
    return integerOf(await ask(() => this.redis.scard(this.#keys.activeRtpServers)));
  }

  /** What is not ours to read counts as no check-in. */
  #readCheckIn(member: string, json: string): StoredCheckIn {
    const stored = parseJson(json);
    if (typeof stored !== 'object' || stored === null) {
      if (this.#malformed.isDue(member)) this.logger.warn({ member }, 'a stored check-in is malformed, skipped');
      return {};
    }
    const { at, found, calls, url }: Partial<Record<keyof StoredCheckIn, unknown>> = stored;
    return {
      found: found === true,
      ...(typeof at === 'number' && { at }),
      ...(typeof calls === 'number' && { calls }),
      ...(typeof url === 'string' && { url }),
    };
  }

  #sets(kind: ServerKind): string[] {
    const k = this.#keys;
    return kind === 'feature'
      ? [k.activeFeatureServers, k.featureCheckIns, k.serviceUrls, k.drained]
      : [k.activeRtpServers, k.rtpCheckIns, '', ''];
  }

  #run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return ask(() => script.run(this.redis, keys, args));
  }
}

function sorted(reply: unknown): string[] {
  return textsOf(reply).sort();
}

function pairs(flat: readonly string[]): [string, string][] {
  return flat.flatMap((key, i): [string, string][] => (i % 2 === 0 ? [[key, flat[i + 1] ?? '{}']] : []));
}
