import { background } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import type { Alerts } from '../ports/alerts.ts';
import type { Gateway } from '../ports/carriers.ts';
import type { GatewayBlacklist } from '../ports/gateway-blacklist.ts';
import type { PingOutcome } from './ping.ts';

/** The next try of a write to the blacklist that failed, milliseconds. */
const RETRY_MS = 5000;

/** What is known of a gateway that is pinged. */
export interface GatewayHealth {
  readonly gateway: Gateway;
  /** `unknown` before the first answer, and while this sidecar does not ping. */
  readonly state: 'up' | 'down' | 'unknown';
  /** Since when, milliseconds since the epoch; absent while unknown. */
  readonly since?: number;
  /** What the last ping brought: status and reason, or what went wrong. */
  readonly lastAnswer?: string;
  /** When it did, milliseconds since the epoch. */
  readonly lastAnswerAt?: number;
  /** Of the last answer that was the gateway's own, milliseconds. */
  readonly rttMs?: number;
  /** What was wrong last, also when it has passed. */
  readonly lastError?: string;
}

export interface WatchRules {
  /** Misses in a row that make a gateway down. */
  readonly failureThreshold: number;
  readonly ttlSeconds: number;
  readonly blacklist: GatewayBlacklist;
  readonly alerts: Alerts;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** One gateway: what its pings say of it, and its place on the blacklist for as long as it is down. */
export class WatchedGateway {
  #gateway: Gateway;
  #health: Omit<GatewayHealth, 'gateway'> = { state: 'unknown' };
  #misses = 0;
  /** Someone, perhaps another sidecar, may have put it on the blacklist. */
  #maybeListed = true;
  #renewal: Timer | undefined;
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

  /** The same gateway under other names, or of another owner. */
  rename(gateway: Gateway): void {
    this.#gateway = gateway;
  }

  /** Takes in what a ping brought. */
  take({ alive, what, answer }: PingOutcome): void {
    if (this.#ended) return;
    this.#health = {
      ...this.#health,
      lastAnswer: what,
      lastAnswerAt: this.rules.timers.now(),
      ...(answer && { rttMs: answer.rttMs }),
      ...(!alive && { lastError: what }),
    };
    this.#misses = alive ? 0 : this.#misses + 1;
    if (alive) this.#up();
    else if (this.#misses >= this.rules.failureThreshold && this.#health.state !== 'down') this.#down(what);
  }

  /** A ping that says nothing of the gateway, because it was our own side that failed. */
  excuse(why: string): void {
    this.#health = { ...this.#health, lastError: why };
  }

  /** Nothing more is done for it. Its place on the blacklist stays until its time is over. */
  end(): void {
    this.#ended = true;
    this.#renewal?.cancel();
  }

  /** The same, but its place on the blacklist goes. */
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
    if (this.#maybeListed) background(logger, 'removal from the blacklist', () => this.#unlist());
  }

  #down(what: string): void {
    const { alerts, timers, logger } = this.rules;
    this.#health = { ...this.#health, state: 'down', since: timers.now() };
    alerts.raise({
      message: `OPTIONS ping of gateway ${gatewayName(this.gateway)} failed: ${what}`,
      ...ownersOf(this.gateway),
    });
    background(logger, 'blacklisting', () => this.#list());
  }

  /** Puts it on the blacklist, and again whenever half of its time there is over. */
  async #list(): Promise<void> {
    const { blacklist, ttlSeconds, timers, logger } = this.rules;
    this.#maybeListed = true;
    let next = ttlSeconds * 500;
    try {
      await blacklist.add(this.gateway.gatewaySid, ttlSeconds);
    } catch (error) {
      next = Math.min(next, RETRY_MS);
      logger.warn({ gatewaySid: this.gateway.gatewaySid, why: String(error) }, 'gateway not blacklisted, trying again');
    }
    if (this.#ended || this.#health.state !== 'down') return;
    this.#renewal?.cancel();
    this.#renewal = timers.after(next, () => background(logger, 'blacklisting', () => this.#list()));
  }

  /** Takes it off the blacklist; when that fails, the next answer that proves life tries again. */
  async #unlist(): Promise<void> {
    this.#maybeListed = false;
    try {
      await this.rules.blacklist.remove(this.gateway.gatewaySid);
    } catch (error) {
      this.#maybeListed = true;
      const { gatewaySid } = this.gateway;
      this.rules.logger.warn({ gatewaySid, why: String(error) }, 'gateway not taken off the blacklist');
    }
  }
}

/** For people: `sip.example.com:5060 (udp) of carrier Example`. */
export function gatewayName({ host, port, transport, carrierName }: Gateway): string {
  return `${host}${port === undefined ? '' : `:${port}`} (${transport}) of carrier ${carrierName}`;
}

/** To whom an alert of a gateway goes. */
export function ownersOf({ accountSid, serviceProviderSid }: Gateway) {
  return { ...(accountSid && { accountSid }), ...(serviceProviderSid && { serviceProviderSid }) };
}
