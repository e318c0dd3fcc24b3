import pLimit from 'p-limit';
import { type Aor, type LocationService, type Logger, Unavailable } from '../ports.ts';
import { joinHostPort } from '../sip/ip.ts';
import type { Timer, Timers } from '../timers.ts';
import { addsContacts, type Registration } from './registration.ts';

export interface ConnectionBindingsOptions {
  readonly location: LocationService;
  /** So long after its connection a binding goes, unless it was renewed; 0: it stays until it expires. */
  readonly graceSeconds: number;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** AORs of one connection that are remembered: a phone has one, a PBX may have all its extensions. */
const MAX_AORS = 1000;
/** AORs that are remembered altogether. Those beyond stay until they expire, as they would without us. */
const MAX_AORS_IN_ALL = 200_000;
const MAX_REMOVALS_AT_A_TIME = 50;
const RETRY_MS = 5000;
const MAX_TRIES = 12;

interface Closing {
  readonly aors: Map<string, Aor>;
  /** Milliseconds since the epoch. */
  readonly closedAt: number;
}

/**
 * The bindings that live on connections (TCP, TLS, WebSocket). Whoever registered over one cannot be called any more
 * once it has ended: after a grace period, in which phones come back by themselves, their bindings are removed.
 */
export class ConnectionBindings {
  /** Connection → its AORs by name. */
  readonly #open = new Map<string, Map<string, Aor>>();
  readonly #closing = new Map<string, Closing>();
  readonly #timers = new Set<Timer>();
  readonly #turns = pLimit(MAX_REMOVALS_AT_A_TIME);
  #remembered = 0;

  constructor(private readonly options: ConnectionBindingsOptions) {}

  /** A REGISTER was granted that came over this connection; others than connections are passed over. */
  carries(registration: Registration): void {
    const { protocol, proxy, aor } = registration;
    if (this.options.graceSeconds === 0 || protocol === 'udp' || !addsContacts(registration)) return;
    const connection = nameOf(protocol, proxy);
    const name = `${aor.user}@${aor.realm}`;
    // It is back, from the very same port.
    if (this.#closing.get(connection)?.aors.delete(name)) this.#remembered--;
    let aors = this.#open.get(connection);
    if (!aors) {
      aors = new Map();
      this.#open.set(connection, aors);
    }
    if (aors.has(name) || aors.size >= MAX_AORS || this.#remembered >= MAX_AORS_IN_ALL) return;
    aors.set(name, aor);
    this.#remembered++;
  }

  /** A connection has ended. @param address IPv6 without brackets */
  closed({ protocol, address, port }: { protocol: string; address: string; port: number }): void {
    const proxy = `sip:${joinHostPort(address, port)}`;
    const connection = nameOf(protocol, proxy);
    const aors = this.#open.get(connection);
    if (!aors) return;
    this.#open.delete(connection);
    const closing = { aors, closedAt: this.options.timers.now() };
    this.#closing.set(connection, closing);
    this.#later(this.options.graceSeconds * 1000, () => {
      if (this.#closing.get(connection) === closing) this.#closing.delete(connection);
      this.#remembered -= aors.size;
      const source = { proxy, protocol, savedUntil: closing.closedAt };
      for (const aor of aors.values()) void this.#turns(() => this.#remove(aor, source, 1));
    });
  }

  /** Nothing is removed any more. */
  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#turns.clearQueue();
  }

  async #remove(aor: Aor, source: Parameters<LocationService['removeFrom']>[1], tries: number): Promise<void> {
    const { location, logger } = this.options;
    try {
      const removed = await location.removeFrom(aor, source);
      if (removed > 0) logger.debug({ aor, proxy: source.proxy, removed }, 'connection lost, bindings removed');
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      if (tries >= MAX_TRIES) logger.warn({ aor, why: error.message }, 'bindings of a lost connection stay');
      else this.#later(RETRY_MS, () => void this.#turns(() => this.#remove(aor, source, tries + 1)));
    }
  }

  #later(ms: number, callback: () => void): void {
    const timer = this.options.timers.after(ms, () => {
      this.#timers.delete(timer);
      callback();
    });
    this.#timers.add(timer);
  }
}

function nameOf(protocol: string, proxy: string): string {
  return `${protocol} ${proxy}`;
}
