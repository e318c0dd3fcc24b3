import { withDeadline } from '../lib/deadline.ts';
import { LatestWrites } from '../lib/latest-writes.ts';
import { type Logger, traceOf } from '../lib/logger.ts';
import type { Timers } from '../lib/timers.ts';
import type { Trunk } from '../ports/carriers.ts';
import { Unavailable } from '../ports/errors.ts';
import type { TrunkContact, TrunkContacts } from '../ports/trunk-contacts.ts';
import { tryParse } from '../sip/syntax.ts';
import { parseUri } from '../sip/uri.ts';

const CONCURRENCY = 16;
/** Registrations wait this long for the store; without its answer they start as usual. */
const LOAD_MS = 2_000;

/**
 * The Contact that the carrier of each trunk holds, also of registrations that another leader made. At a carrier with
 * room for one contact, ours must take its place rather than be added to it.
 */
export class HeldContacts {
  readonly #held = new Map<string, TrunkContact>();
  /** Undefined: to be removed. */
  readonly #writes: LatestWrites<TrunkContact | undefined>;
  /** Incremented by {@link forget}, which makes a read in progress void. */
  #epoch = 0;

  constructor(
    private readonly store: TrunkContacts,
    private readonly timers: Timers,
    private readonly logger: Logger,
  ) {
    this.#writes = new LatestWrites({
      what: 'trunk contacts',
      concurrency: CONCURRENCY,
      timers,
      logger,
      write: (sid, held) => (held ? store.save(sid, held) : store.remove(sid)),
    });
  }

  /** Reads what earlier leaders saved. Never throws, and takes at most 2 s. */
  async load(): Promise<void> {
    const epoch = this.#epoch;
    const late = () => new Unavailable('store', 'no answer in time');
    try {
      const saved = await withDeadline(this.store.read(), LOAD_MS, late, this.timers);
      if (epoch !== this.#epoch) return;
      for (const [sid, held] of saved) this.#held.set(sid, held);
    } catch (error) {
      const message = 'contacts of earlier registrations not read';
      if (error instanceof Unavailable) this.logger.warn({ why: error.message }, message);
      else this.logger.error({ why: traceOf(error) }, message);
    }
  }

  /** The URI that the registrar of a trunk holds now, if we know of one. */
  of(trunk: Trunk): string | undefined {
    const held = this.#held.get(trunk.gatewaySid);
    if (!held || held.until <= this.timers.now() || held.registrar !== registrarOf(trunk)) return undefined;
    return tryParse(() => parseUri(held.contact)) && held.contact;
  }

  /** @param until milliseconds since the epoch */
  hold(trunk: Trunk, contact: string, until: number): void {
    this.#put(trunk.gatewaySid, { contact, until, registrar: registrarOf(trunk) });
  }

  release({ gatewaySid }: Trunk): void {
    this.#put(gatewaySid, undefined);
  }

  dropExpired(): void {
    const now = this.timers.now();
    for (const [sid, { until }] of this.#held) if (until <= now) this.#put(sid, undefined);
  }

  /** Forgets everything but leaves the store unchanged, for the next leader. */
  forget(): void {
    this.#epoch++;
    this.#held.clear();
    this.#writes.forget();
  }

  #put(sid: string, held: TrunkContact | undefined): void {
    if (held) this.#held.set(sid, held);
    else this.#held.delete(sid);
    this.#writes.put(sid, held);
  }
}

/** Tells apart the places where one gateway may have been registered: by Request-URI and AOR. */
function registrarOf({ sips, realm, fromUser, username, fromDomain }: Trunk): string {
  return `${sips ? 'sips' : 'sip'}:${realm} ${fromUser || username}@${fromDomain || realm}`;
}
