import pLimit from 'p-limit';
import { background } from '../lib/background.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import type { CarrierDirectory, Gateway } from '../ports/carriers.ts';
import { Unavailable } from '../ports/errors.ts';
import { type PingOutcome, type PingPorts, ping } from './ping.ts';
import { type GatewayHealth, gatewayName, ownersOf, WatchedGateway, type WatchRules } from './watched-gateway.ts';

/** Pings under way at a time. */
const MAX_IN_FLIGHT = 50;
/** Of them, pings of gateways that are down: those that never answer must not keep the others waiting. */
const MAX_IN_FLIGHT_DOWN = 25;

export interface PingerOptions extends WatchRules, PingPorts {
  readonly intervalSeconds: number;
  /** SIP codes that switch a gateway's pings off, when it is the gateway that says them. */
  readonly removeCodes: readonly number[];
  readonly carriers: Pick<CarrierDirectory, 'disablePing'>;
  readonly timers: Timers;
  /** From 0 to below 1. */
  readonly random: () => number;
}

interface Entry {
  readonly watched: WatchedGateway;
  timer: Timer | undefined;
}

/**
 * Pings gateways and keeps those that are down on the blacklist, while it is started. Which gateways, `update` says;
 * it may come before `start`.
 */
export class GatewayPinger {
  readonly #turns = pLimit(MAX_IN_FLIGHT);
  readonly #turnsOfDown = pLimit(MAX_IN_FLIGHT_DOWN);
  /** By sid. */
  readonly #entries = new Map<string, Entry>();
  /** Those whose pings were switched off since the last list, which may have been read before. */
  readonly #switchedOff = new Set<string>();
  #running = false;

  constructor(private readonly options: PingerOptions) {}

  /** From now on every gateway is pinged, the first time at some moment of the coming interval. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    for (const entry of this.#entries.values()) this.#schedule(entry, this.#someDelay());
  }

  /** No more pings, at once; what is still answered counts for nothing. The blacklist stays as it is. */
  stop(): void {
    if (!this.#running) return;
    this.#running = false;
    for (const [sid, entry] of this.#entries) {
      this.#end(entry);
      this.#entries.set(sid, this.#entryOf(entry.watched.gateway));
    }
  }

  /** The gateways to ping. New ones begin, changed ones begin anew, those no longer there leave the blacklist. */
  update(gateways: readonly Gateway[]): void {
    const wanted = new Map(gateways.map((gateway) => [gateway.gatewaySid, gateway]));
    for (const sid of this.#switchedOff) wanted.delete(sid);
    this.#switchedOff.clear();
    for (const [sid, entry] of this.#entries) {
      const gateway = wanted.get(sid);
      if (!gateway || !sameTarget(gateway, entry.watched.gateway)) this.#drop(sid, entry);
    }
    for (const [sid, gateway] of wanted) {
      const known = this.#entries.get(sid);
      if (known) {
        known.watched.rename(gateway);
        continue;
      }
      const entry = this.#entryOf(gateway);
      this.#entries.set(sid, entry);
      if (this.#running) this.#schedule(entry, this.#someDelay());
    }
  }

  /** What is known of each gateway now. */
  snapshot(): GatewayHealth[] {
    return [...this.#entries.values()].map(({ watched }) => watched.health);
  }

  #entryOf(gateway: Gateway): Entry {
    return { watched: new WatchedGateway(gateway, this.options), timer: undefined };
  }

  #someDelay(): number {
    return Math.floor(this.options.random() * this.options.intervalSeconds * 1000);
  }

  #schedule(entry: Entry, delay: number): void {
    const { timers, logger } = this.options;
    entry.timer = timers.after(delay, () => background(logger, 'gateway ping', () => this.#round(entry)));
  }

  /** One ping in its turn; the next is due an interval after this one was. */
  async #round(entry: Entry): Promise<void> {
    const { timers, intervalSeconds } = this.options;
    const due = timers.now();
    const turn = () => this.#turns(() => this.#ping(entry));
    try {
      await (entry.watched.health.state === 'down' ? this.#turnsOfDown(turn) : turn());
    } finally {
      if (this.#isCurrent(entry)) this.#schedule(entry, Math.max(0, due + intervalSeconds * 1000 - timers.now()));
    }
  }

  async #ping(entry: Entry): Promise<void> {
    if (!this.#isCurrent(entry)) return;
    const { watched } = entry;
    let outcome: PingOutcome;
    try {
      outcome = await ping(watched.gateway, this.options);
    } catch (error) {
      const gateway = gatewayName(watched.gateway);
      if (error instanceof Unavailable)
        this.options.logger.debug({ gateway, why: error.message }, 'gateway not pinged');
      else this.options.logger.error({ gateway, why: String(error) }, 'gateway not pinged');
      watched.excuse(error instanceof Error ? error.message : String(error));
      return;
    }
    if (!this.#isCurrent(entry)) return;
    const unwanted = outcome.answer !== undefined && this.options.removeCodes.includes(outcome.answer.status);
    if (unwanted && (await this.#switchOff(entry, outcome))) return;
    if (this.#isCurrent(entry)) watched.take(outcome);
  }

  /** @returns whether it could be; otherwise the next ping is another occasion */
  async #switchOff(entry: Entry, { what }: PingOutcome): Promise<boolean> {
    const { carriers, alerts, logger } = this.options;
    const { gateway } = entry.watched;
    try {
      await carriers.disablePing(gateway.gatewaySid);
    } catch (error) {
      logger.warn({ gatewaySid: gateway.gatewaySid, why: String(error) }, 'OPTIONS pings not switched off');
      return false;
    }
    alerts.raise({
      message: `OPTIONS pings of gateway ${gatewayName(gateway)} (${gateway.carrierSid}) switched off: ${what}`,
      ...ownersOf(gateway),
    });
    if (this.#isCurrent(entry)) {
      this.#switchedOff.add(gateway.gatewaySid);
      this.#drop(gateway.gatewaySid, entry);
    }
    return true;
  }

  #isCurrent(entry: Entry): boolean {
    return this.#running && this.#entries.get(entry.watched.gateway.gatewaySid) === entry;
  }

  #drop(sid: string, entry: Entry): void {
    this.#entries.delete(sid);
    entry.timer?.cancel();
    if (this.#running)
      background(this.options.logger, 'removal from the blacklist', () => entry.watched.endAndForget());
    else entry.watched.end();
  }

  #end(entry: Entry): void {
    entry.timer?.cancel();
    entry.watched.end();
  }
}

/** Whether pings go to the same place; a change of names alone keeps what is known. */
function sameTarget(a: Gateway, b: Gateway): boolean {
  return a.host === b.host && a.port === b.port && a.transport === b.transport && a.sips === b.sips;
}
