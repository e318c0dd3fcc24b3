import type { Redis } from 'ioredis';
import type { Failovers } from './failovers.ts';
import { judge } from './history.ts';
import type { ChaosPhone } from './phone.ts';

const BATCH = 1000;
const MAX_EXAMPLES = 5;

/** Compares what Redis stores with what phones were answered. */
export class Audit {
  /** AORs whose last 200 is not in the store. */
  lost = 0;
  lostByRedis = 0;
  /** AORs compared, over all turns. */
  compared = 0;
  readonly examples: string[] = [];

  constructor(
    private readonly phones: readonly ChaosPhone[],
    private readonly failovers: Failovers,
  ) {}

  /**
   * Compares every AOR whose phone has no request in flight meanwhile, while Redis is whole. A loss is counted once: what is
   * stored becomes the state that the phone is taken to expect.
   */
  async compare(): Promise<void> {
    const { phones, failovers } = this;
    const primary = failovers.whole?.primary;
    if (!primary) return;
    for (let i = 0; i < phones.length; i += BATCH) {
      const batch = phones.slice(i, i + BATCH).filter(({ isIdle }) => isIdle);
      const before = batch.map(({ history }) => history.length);
      if (batch.length === 0) continue;
      const jsons = await primary.client.mget(batch.map(({ aor }) => `user:${aor}`));
      // A server that has been replaced meanwhile may have answered after its restart, empty.
      if (failovers.whole?.primary !== primary) return;
      for (const [n, phone] of batch.entries())
        if (phone.isIdle && phone.history.length === before[n]) this.#judge(phone, jsons[n] ?? null);
    }
  }

  #judge(phone: ChaosPhone, json: string | null): void {
    const stored = json === null ? undefined : contactOf(json);
    const verdict = judge(phone.history, stored, this.failovers.lossy);
    this.compared++;
    if (verdict === 'kept') return;
    if (verdict === 'lost') {
      this.lost++;
      if (this.examples.length < MAX_EXAMPLES) this.examples.push(`${phone.aor} has ${stored}: ${storyOf(phone)}`);
    } else this.lostByRedis++;
    const now = performance.now();
    phone.history = [{ wanted: stored, sentAt: now, endedAt: now, granted: true }];
  }
}

/**
 * What the keys of the sidecars have that no phone asked for, and where they contradict each other: the sets of active users
 * have the AORs that have a binding, and each AOR has one.
 */
export async function contradictions(redis: Redis, phones: readonly ChaosPhone[], realm: string): Promise<string[]> {
  const [bound, others, active, ofRealm] = await Promise.all([
    keysLike(redis, 'user:*'),
    keysLike(redis, 'sidecar:others:*'),
    redis.zrange('active-user', '0', '-1'),
    redis.zrange(`sidecar:realm:${realm}`, '0', '-1'),
  ]);
  const known = new Set(phones.map(({ aor }) => `user:${aor}`));
  const strangers = [...bound].filter((key) => !known.has(key));
  const missing = (index: readonly string[]) => [...bound].filter((key) => !index.includes(key));
  return [
    ...some(strangers, 'bindings of no phone'),
    ...some([...others], 'AORs with several bindings'),
    ...[active, ofRealm].flatMap((index, i) => {
      const name = i === 0 ? 'active-user' : 'the index of the realm';
      return [
        ...some(
          index.filter((key) => !bound.has(key)),
          `members of ${name} without a binding`,
        ),
        ...some(missing(index), `bindings that ${name} lacks`),
      ];
    }),
  ];
}

function some(keys: readonly string[], what: string): string[] {
  return keys.length === 0 ? [] : [`${keys.length} ${what}: ${keys.slice(0, MAX_EXAMPLES).join(', ')}`];
}

async function keysLike(redis: Redis, pattern: string): Promise<Set<string>> {
  const keys = new Set<string>();
  for await (const batch of redis.scanStream({ match: pattern, count: BATCH })) for (const key of batch) keys.add(key);
  return keys;
}

function contactOf(json: string): string {
  const { contact }: { contact?: unknown } = JSON.parse(json);
  return String(contact);
}

function storyOf({ history }: ChaosPhone): string {
  const seconds = (ms: number) => (ms / 1000).toFixed(2);
  return history
    .slice(-MAX_EXAMPLES)
    .map(({ wanted, sentAt, endedAt, granted }) => {
      return `${granted ? '200' : 'no 200'} for ${wanted ?? 'none'} (${seconds(sentAt)}-${seconds(endedAt)})`;
    })
    .join(', ');
}
