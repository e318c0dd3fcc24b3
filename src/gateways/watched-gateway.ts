import { background } from '../lib/background.ts';
import { defined } from '../lib/defined.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import type { Alerts } from '../ports/alerts.ts';
import type { Gateway } from '../ports/carriers.ts';
import type { GatewayBlacklist } from '../ports/gateway-blacklist.ts';
import type { PingOutcome } from './ping.ts';

const RETRY_MS = 5000;
/** Names in the log. */
export const UNLISTING = 'removal of a gateway from the blacklist';
const LISTING = 'blacklisting of a gateway';

/** Times are in milliseconds since the epoch. */
export interface GatewayHealth {
  readonly gateway: Gateway;
  /** `unknown` before the first result, and while this sidecar does not ping. */
  readonly state: 'up' | 'down' | 'unknown';
  /** Absent while unknown. */
  readonly since?: number;
  readonly lastAnswer?: string;
  readonly lastAnswerAt?: number;
  readonly rttMs?: number;
  /** Why the last ping says nothing about the gateway: a failure on our side, or settings that lead nowhere. */
  readonly notPinged?: string;
}

export interface WatchRules {
  readonly failureThreshold: number;
  readonly ttlSeconds: number;
  readonly blacklist: GatewayBlacklist;
  readonly alerts: Alerts;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** The health of one gateway, and its blacklist entry while it is down. */
export class WatchedGateway {
  #gateway: Gateway;
  #health: Omit<GatewayHealth, 'gateway'> = { state: 'unknown' };
  #failures = 0;
  /** It may be on the blacklist, perhaps put there by another sidecar. */
  #maybeListed = true;
  #renewal: Timer | undefined;
  /** The last write to the blacklist. One at a time, so that an older one never takes effect after a newer one. */
  #writing: Promise<unknown> = Promise.resolve();
  #ended = false;

  constructor(
    gateway: Gateway,
    private readonly rules: WatchRules,
  ) {
    this.#gateway = gateway;
  }

  get gateway(): Gateway {
    return this.#gateway;
  }

  get health(): GatewayHealth {
    return { gateway: this.#gateway, ...this.#health };
  }

  /** Replaces the gateway's names and owner. */
  rename(gateway: Gateway): void {
    this.#gateway = gateway;
  }

  /** Has no effect after the end of watching. */
  record({ alive, summary, response }: PingOutcome): void {
    if (this.#ended) return;
    const { notPinged: _, ...health } = this.#health;
    this.#health = { ...health, lastAnswer: summary, lastAnswerAt: this.rules.timers.now() };
    if (response) this.#health = { ...this.#health, rttMs: response.rttMs };
    this.#failures = alive ? 0 : this.#failures + 1;
    if (alive) this.#up();
    else if (this.#failures >= this.rules.failureThreshold && this.#health.state !== 'down') this.#down(summary);
  }

  /** Records a failure on our side, which does not change the state of the gateway. */
  recordLocalFailure(why: string): void {
    this.#health = { ...this.#health, notPinged: why };
  }

  /** Records that the gateway cannot be pinged, so that its state becomes unknown. */
  recordNotPinged(why: string): void {
    const { logger, timers } = this.rules;
    const { since: _, ...health } = this.#health;
    this.#renewal?.cancel();
    this.#failures = 0;
    this.#health = { ...health, state: 'unknown', notPinged: why };
    if (health.state === 'down') background(logger, UNLISTING, () => this.#unlist(), timers);
  }

  /** Stops watching. The blacklist entry stays until it expires. */
  end(): void {
    this.#ended = true;
    this.#renewal?.cancel();
  }

  /** Stops watching and takes the gateway off the blacklist. */
  async endAndForget(): Promise<void> {
    this.end();
    if (this.#maybeListed) await this.#unlist();
  }

  #up(): void {
    const { timers, logger } = this.rules;
    if (this.#health.state !== 'up') {
      if (this.#health.state === 'down') logger.info({ gateway: gatewayName(this.gateway) }, 'gateway is up again');
      this.#renewal?.cancel();
      this.#health = { ...this.#health, state: 'up', since: timers.now() };
    }
    if (this.#maybeListed) background(logger, UNLISTING, () => this.#unlist(), timers);
  }

  #down(summary: string): void {
    const { alerts, timers, logger } = this.rules;
    this.#health = { ...this.#health, state: 'down', since: timers.now() };
    alerts.raise({
      type: 'carrier-options-failure',
      message: `OPTIONS ping of gateway ${gatewayName(this.gateway)} failed: ${summary}`,
      ...ownersOf(this.gateway),
      targetSid: this.gateway.gatewaySid,
    });
    background(logger, LISTING, () => this.#list(), timers);
  }

  /** Puts it on the blacklist and renews the entry after half its TTL. */
  async #list(): Promise<void> {
    const { blacklist, ttlSeconds } = this.rules;
    this.#maybeListed = true;
    let next = ttlSeconds * 500;
    try {
      await this.#write(() => blacklist.add(this.gateway.gatewaySid, ttlSeconds));
    } catch (error) {
      next = Math.min(next, RETRY_MS);
      throw error;
    } finally {
      if (!this.#ended && this.#health.state === 'down') this.#renewIn(next);
    }
  }

  #renewIn(ms: number): void {
    const { timers, logger } = this.rules;
    this.#renewal?.cancel();
    this.#renewal = timers.after(ms, () => background(logger, LISTING, () => this.#list(), timers));
  }

  /** Takes it off the blacklist; a failure is retried at the next successful ping. */
  async #unlist(): Promise<void> {
    this.#maybeListed = false;
    try {
      await this.#write(() => this.rules.blacklist.remove(this.gateway.gatewaySid));
    } catch (error) {
      this.#maybeListed = true;
      throw error;
    }
  }

  #write(write: () => Promise<void>): Promise<void> {
    const written = this.#writing.then(write, write);
    this.#writing = written;
    return written;
  }
}

/** For logs and alerts: `sip.example.com:5060 (udp) of carrier Example`. */
export function gatewayName({ host, port, transport, carrierName }: Gateway): string {
  return `${host}${port === undefined ? '' : `:${port}`} (${transport}) of carrier ${carrierName}`;
}

/** The recipients of an alert about a gateway. */
export function ownersOf({ accountSid, serviceProviderSid }: Gateway) {
  return defined({ accountSid, serviceProviderSid });
}
