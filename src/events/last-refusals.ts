import { LruCache } from '../lib/lru-cache.ts';
import type { PublishedEvent, RefusedEvent, SidecarEvent } from '../ports/events.ts';

const MAX_REGISTERED = 50_000;
const MAX_REFUSALS = 10_000;
const MAX_REFUSALS_OF_STRANGERS = 2_000;

/** Refusals that only a user of the account gets, at least by name. Any other may concern an AOR that does not exist. */
const USER_REASONS: ReadonlySet<string> = new Set([
  'InvalidCredentials',
  'OutOfOrder',
  'TooManyContacts',
  'TooManyDevices',
]);
const BINDING_TYPES: ReadonlySet<SidecarEvent['type']> = new Set(['registered', 'refreshed-elsewhere', 'unregistered']);

export type LastRefusal = RefusedEvent & Pick<PublishedEvent, 'at'>;

/**
 * The last refusal of each AOR. Refusals of AORs that were registered before, or that belong to a user, are kept apart
 * from all others: names that a scanner makes up evict each other.
 */
export class LastRefusals {
  readonly #registered = new LruCache<true>(MAX_REGISTERED);
  readonly #ofUsers = new LruCache<LastRefusal>(MAX_REFUSALS);
  readonly #ofStrangers = new LruCache<LastRefusal>(MAX_REFUSALS_OF_STRANGERS);

  /** Call with each event. */
  follow(event: PublishedEvent): void {
    if (!('aor' in event) || event.aor === undefined) return;
    if (event.type === 'refused') this.#refused(event.aor, event);
    else if (BINDING_TYPES.has(event.type)) this.#registered.set(event.aor, true);
  }

  /** @param aor `user@realm` */
  of(aor: string): LastRefusal | undefined {
    return this.#ofUsers.get(aor) ?? this.#ofStrangers.get(aor);
  }

  #refused(aor: string, refusal: LastRefusal): void {
    const isUser = USER_REASONS.has(refusal.reason) || this.#registered.has(aor) || this.#ofUsers.has(aor);
    this.#ofStrangers.delete(aor);
    (isUser ? this.#ofUsers : this.#ofStrangers).set(aor, refusal);
  }
}
