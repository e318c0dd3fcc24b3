import pLimit from 'p-limit';
import { background } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import { DependencyError } from '../ports/errors.ts';
import type { Events } from '../ports/events.ts';
import type { Aor, Binding, BindingSource, LocationService } from '../ports/location.ts';
import { aorName } from '../sip/aor.ts';
import type { SipRequest } from '../sip/message.ts';
import { bindingEvent } from './binding-event.ts';
import { type RegisterRequest, sourceUri } from './register-request.ts';

export interface ConnectionBindingsOptions {
  readonly location: Pick<LocationService, 'removeFrom'>;
  readonly events: Events;
  /** Whether a connection from this address and port is open. @param address IPv6 without brackets */
  readonly isOpen: (address: string, port: number) => boolean;
  /** Bindings are removed this long after their connection closed, unless renewed; 0: they stay until they expire. */
  readonly graceSeconds: number;
  /** Maximum number of AORs tracked; bindings of further ones stay until they expire. */
  readonly maxAors?: number;
  readonly timers: Timers;
  readonly logger: Logger;
}

interface Peer {
  /** IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
}

interface Registration {
  readonly aor: Aor;
  readonly protocol: string;
  /** When the last of its bindings expires, milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** By `user@realm`. */
type Registrations = Map<string, Registration>;

const MAX_AORS_PER_CONNECTION = 1000;
const MAX_AORS = 200_000;
const MAX_CONCURRENT_REMOVALS = 50;
const RETRY_MS = 5000;
const MAX_ATTEMPTS = 12;

/**
 * Bindings made over connections (TCP, TLS, WebSocket). A phone cannot be called once its connection has closed, so its
 * bindings are removed after a grace period in which it may reconnect.
 *
 * A connection is identified by its remote address and port alone. The transport in Via may differ from ours, for
 * example when a proxy in front of us terminates TLS.
 */
export class ConnectionBindings {
  /** Registrations over open connections, by {@link sourceUri}. */
  readonly #open = new Map<string, Registrations>();
  readonly #timers = new Set<Timer>();
  readonly #removals = pLimit(MAX_CONCURRENT_REMOVALS);
  readonly #maxAors: number;
  #aors = 0;

  constructor(private readonly options: ConnectionBindingsOptions) {
    this.#maxAors = options.maxAors ?? MAX_AORS;
  }

  /**
   * Call after a REGISTER was granted; one received over UDP is ignored.
   * @param bindings all current bindings of its AOR
   */
  registered({ source }: SipRequest, parsed: RegisterRequest, bindings: readonly Binding[]): void {
    if (source.transport === 'udp') return;
    const { protocol, proxy, aor } = parsed;
    const key = aorName(aor);
    const registrations: Registrations = this.#open.get(proxy) ?? new Map();
    const own = bindings.filter((binding) => binding.proxy === proxy);
    if (own.length === 0) {
      if (registrations.delete(key)) this.#aors--;
      if (registrations.size === 0) this.#open.delete(proxy);
      return;
    }
    if (!registrations.has(key)) {
      if (registrations.size >= MAX_AORS_PER_CONNECTION || this.#aors >= this.#maxAors) return;
      this.#aors++;
    }
    const expiresAt = Math.max(...own.map((binding) => binding.expiryTime));
    registrations.set(key, { aor, protocol, expiresAt });
    this.#open.set(proxy, registrations);
    // The connection may have closed while the REGISTER was processed.
    if (!this.options.isOpen(source.address, source.port)) this.#closed(proxy);
  }

  /** Whether a live binding was made over this connection. */
  inUse(peer: Peer): boolean {
    const now = this.options.timers.now();
    const registrations = this.#open.get(sourceUri(peer))?.values() ?? [];
    return [...registrations].some(({ expiresAt }) => expiresAt > now);
  }

  /** Call when a connection has closed. */
  closed(peer: Peer): void {
    // A connection from the same port to another of our listeners may still be open.
    if (!this.options.isOpen(peer.address, peer.port)) this.#closed(sourceUri(peer));
  }

  #closed(proxy: string): void {
    const registrations = this.#open.get(proxy);
    if (!registrations) return;
    this.#open.delete(proxy);
    const { graceSeconds, timers } = this.options;
    if (graceSeconds === 0) {
      this.#aors -= registrations.size;
      return;
    }
    const savedUntil = timers.now();
    this.#later(graceSeconds * 1000, () => {
      this.#aors -= registrations.size;
      // A phone may have reconnected from the same port.
      const reconnected = this.#open.get(proxy);
      for (const [key, { aor, protocol }] of registrations)
        if (!reconnected?.has(key)) this.#startRemoval(aor, { proxy, protocol, savedUntil }, 1);
    });
  }

  /** Cancels all pending removals. */
  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#removals.clearQueue();
  }

  #startRemoval(aor: Aor, source: BindingSource, attempt: number): void {
    const { logger, timers } = this.options;
    const removal = () => this.#removals(() => this.#remove(aor, source, attempt));
    background(logger, 'removal of bindings of a lost connection', removal, timers);
  }

  async #remove(aor: Aor, source: BindingSource, attempt: number): Promise<void> {
    const { location, events, logger } = this.options;
    try {
      const { removed, remaining } = await location.removeFrom(aor, source);
      const presence = remaining > 0 ? 'online' : 'offline';
      for (const binding of removed) events.emit(bindingEvent('connection-lost', aor, binding, presence));
      if (removed.length > 0)
        logger.info(
          { aor: aorName(aor), source: source.proxy, bindings: removed.length },
          'connection lost, bindings removed',
        );
    } catch (error) {
      if (error instanceof DependencyError && attempt < MAX_ATTEMPTS)
        this.#later(RETRY_MS, () => this.#startRemoval(aor, source, attempt + 1));
      throw error;
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
