import pLimit from 'p-limit';
import { background } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import { Unavailable } from '../ports/errors.ts';
import type { Aor, Binding, BindingSource, LocationService } from '../ports/location.ts';
import type { SipRequest } from '../ports/sip-server.ts';
import { joinHostPort } from '../sip/ip.ts';
import type { Registration } from './registration.ts';

export interface ConnectionBindingsOptions {
  readonly location: LocationService;
  /** Whether a connection from there is open. @param address IPv6 without brackets */
  readonly isOpen: (address: string, port: number) => boolean;
  /** So long after its connection a binding goes, unless it was renewed; 0: it stays until it expires. */
  readonly graceSeconds: number;
  /** AORs that are remembered altogether; those beyond stay until they expire. */
  readonly maxAors?: number;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** The far end of a connection. */
interface Peer {
  /** IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
}

interface Registered {
  readonly aor: Aor;
  readonly protocol: string;
  /** Until when its bindings last, milliseconds since the epoch. */
  readonly until: number;
}

/** AORs of one connection that are remembered: a phone has one, a PBX may have all its extensions. */
const MAX_AORS = 1000;
const MAX_AORS_IN_ALL = 200_000;
const MAX_REMOVALS_AT_A_TIME = 50;
const RETRY_MS = 5000;
const MAX_TRIES = 12;

/** Who has registered over a connection, by name. */
type Users = Map<string, Registered>;

/**
 * The bindings that live on connections (TCP, TLS, WebSocket). Whoever registered over one cannot be called any more
 * once it has ended: after a grace period, in which phones come back by themselves, their bindings are removed.
 *
 * Connections are told apart by their far end alone: what a phone says in its Via is not always what arrives here, as
 * when a proxy in front of us takes the TLS off.
 */
export class ConnectionBindings {
  /** By the source of the connection, as bindings have it. */
  readonly #open = new Map<string, Users>();
  readonly #timers = new Set<Timer>();
  readonly #turns = pLimit(MAX_REMOVALS_AT_A_TIME);
  readonly #maxAors: number;
  #remembered = 0;

  constructor(private readonly options: ConnectionBindingsOptions) {
    this.#maxAors = options.maxAors ?? MAX_AORS_IN_ALL;
  }

  /**
   * A REGISTER was granted; one that came over no connection is passed over.
   * @param bindings all that its AOR has now
   */
  carries({ transport, source }: SipRequest, registration: Registration, bindings: readonly Binding[]): void {
    if (transport === 'udp') return;
    const { protocol, proxy, aor } = registration;
    const name = `${aor.user}@${aor.realm}`;
    const users: Users = this.#open.get(proxy) ?? new Map();
    const own = bindings.filter((binding) => binding.proxy === proxy);
    if (own.length === 0) {
      if (users.delete(name)) this.#remembered--;
      if (users.size === 0) this.#open.delete(proxy);
      return;
    }
    if (!users.has(name)) {
      if (users.size >= MAX_AORS || this.#remembered >= this.#maxAors) return;
      this.#remembered++;
    }
    const until = Math.max(...own.map((binding) => binding.expiryTime));
    this.#open.set(proxy, users.set(name, { aor, protocol, until }));
    // It ended while we were at work.
    if (!this.options.isOpen(source.address, source.port)) this.#ended(proxy);
  }

  /** Whether somebody could not be called any more if this connection were closed. */
  needs({ address, port }: Peer): boolean {
    const now = this.options.timers.now();
    return [...(this.#open.get(nameOf(address, port))?.values() ?? [])].some(({ until }) => until > now);
  }

  /** A connection has ended. */
  closed({ address, port }: Peer): void {
    // Another one from the same port, at another of our listeners, may be the one.
    if (!this.options.isOpen(address, port)) this.#ended(nameOf(address, port));
  }

  #ended(proxy: string): void {
    const users = this.#open.get(proxy);
    if (!users) return;
    this.#open.delete(proxy);
    const { graceSeconds, timers } = this.options;
    if (graceSeconds === 0) {
      this.#remembered -= users.size;
      return;
    }
    const savedUntil = timers.now();
    this.#later(graceSeconds * 1000, () => {
      this.#remembered -= users.size;
      // Some are back, from the very same port.
      const back = this.#open.get(proxy);
      for (const [name, { aor, protocol }] of users)
        if (!back?.has(name)) this.#removeInTurn(aor, { proxy, protocol, savedUntil }, 1);
    });
  }

  /** Nothing is removed any more. */
  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#turns.clearQueue();
  }

  #removeInTurn(aor: Aor, source: BindingSource, tries: number): void {
    background(this.options.logger, 'removal of bindings of a lost connection', () =>
      this.#turns(() => this.#remove(aor, source, tries)),
    );
  }

  async #remove(aor: Aor, source: BindingSource, tries: number): Promise<void> {
    const { location, logger } = this.options;
    try {
      const removed = await location.removeFrom(aor, source);
      if (removed > 0) logger.debug({ aor, proxy: source.proxy, removed }, 'connection lost, bindings removed');
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      if (tries >= MAX_TRIES) logger.warn({ aor, why: error.message }, 'bindings of a lost connection stay');
      else this.#later(RETRY_MS, () => this.#removeInTurn(aor, source, tries + 1));
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

function nameOf(address: string, port: number): string {
  return `sip:${joinHostPort(address, port)}`;
}
