import type { Redis } from 'ioredis';
import type { EventSink, PublishedEvent } from '../../ports/events.ts';
import { ask } from './connection.ts';

/** About how many entries the stream keeps. */
const MAX_ENTRIES = 10_000;

/** A Redis stream of events. Each entry has the event as JSON, and some of its fields plainly. */
export class RedisEventsStream implements EventSink {
  /** @param sidecar names this process, whose events are numbered on their own */
  constructor(
    private readonly redis: Redis,
    private readonly key: string,
    private readonly sidecar: string,
  ) {}

  async append(events: readonly PublishedEvent[]): Promise<void> {
    await ask(() => Promise.all(events.map((event) => this.#add(event))));
  }

  #add(event: PublishedEvent): Promise<string | null> {
    const fields = ['event', JSON.stringify(event), 'type', event.type, 'sidecar', this.sidecar];
    if ('aor' in event && event.aor !== undefined) fields.push('aor', event.aor);
    if ('presence' in event) fields.push('presence', event.presence);
    return this.redis.xadd(this.key, 'MAXLEN', '~', MAX_ENTRIES, '*', ...fields);
  }
}
