import pLimit from 'p-limit';
import { background, turn } from '../lib/background.ts';
import { traceOf } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import type { CarrierDirectory, Gateway } from '../ports/carriers.ts';
import { Unavailable } from '../ports/errors.ts';
import { NotPinged, type PingOutcome, type PingPorts, ping } from './ping.ts';
import {
  type GatewayHealth,
  gatewayName,
  ownersOf,
  UNLISTING,
  WatchedGateway,
  type WatchRules,
} from './watched-gateway.ts';

const MAX_IN_FLIGHT = 50;
/** Of those, pings of gateways that are down, which must not delay the others by timing out. */
const MAX_IN_FLIGHT_DOWN = 25;

export interface PingerOptions extends WatchRules, PingPorts {
  readonly intervalSeconds: number;
  /** Response codes of a gateway that switch its pings off. */
  readonly removeCodes: readonly number[];
  readonly carriers: Pick<CarrierDirectory, 'disablePing'>;
  readonly timers: Timers;
  readonly random: () => number;
}

interface Entry {
  readonly watched: WatchedGateway;
  timer: Timer | undefined;
}

/**
 * Pings gateways and keeps those that are down on the blacklist. `update` sets the gateways and may be called before
 * `start`.
 */
export class GatewayPinger {
  readonly #slots = pLimit(MAX_IN_FLIGHT);
  readonly #downSlots = pLimit(MAX_IN_FLIGHT_DOWN);
  readonly #entries = new Map<string, Entry>();
  /** Gateways switched off since the last update, to be ignored in the next one, which may have been read before. */
  readonly #switchedOff = new Set<string>();
  #running = false;

  constructor(private readonly options: PingerOptions) {}

  /** Starts pinging. The first ping of each gateway is at a random time within the interval. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    for (const entry of this.#entries.values()) this.#schedule(entry, this.#randomDelay());
  }

  /** Stops pinging and ignores pending responses. The blacklist stays unchanged. */
  stop(): void {
    this.#running = false;
    for (const [sid, entry] of this.#entries) {
      this.#end(entry);
      this.#entries.set(sid, this.#entryOf(entry.watched.gateway));
    }
  }

  /** Sets the gateways to ping. Removed and changed ones are taken off the blacklist. */
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
      if (this.#running) this.#schedule(entry, this.#randomDelay());
    }
  }

  snapshot(): GatewayHealth[] {
    return [...this.#entries.values()].map(({ watched }) => watched.health);
  }

  #entryOf(gateway: Gateway): Entry {
    return { watched: new WatchedGateway(gateway, this.options), timer: undefined };
  }

  #randomDelay(): number {
    return Math.floor(this.options.random() * this.options.intervalSeconds * 1000);
  }

  #schedule(entry: Entry, delay: number): void {
    const { timers, logger } = this.options;
    entry.timer = timers.after(delay, () => background(logger, 'gateway ping', () => this.#round(entry), timers));
  }

  /** Pings once there is a free slot and schedules the next ping one interval after this one was due. */
  async #round(entry: Entry): Promise<void> {
    const { timers, intervalSeconds } = this.options;
    const due = timers.now();
    const pingInSlot = () => this.#slots(() => this.#ping(entry));
    try {
      await (entry.watched.health.state === 'down' ? this.#downSlots(pingInSlot) : pingInSlot());
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
      if (this.#isCurrent(entry)) this.#recordFailure(watched, error);
      return;
    }
    if (!this.#isCurrent(entry)) return;
    const { response } = outcome;
    const refused = response !== undefined && this.options.removeCodes.includes(response.status);
    if (refused && (await this.#switchOff(entry, outcome))) return;
    watched.record(outcome);
  }

  #recordFailure(watched: WatchedGateway, error: unknown): void {
    const { logger } = this.options;
    const gateway = gatewayName(watched.gateway);
    const why = error instanceof Error ? error.message : String(error);
    if (error instanceof NotPinged) {
      const isNews = watched.health.notPinged !== why;
      logger[isNews ? 'warn' : 'debug']({ gateway, why }, 'gateway not pinged');
      watched.recordNotPinged(why);
      return;
    }
    if (error instanceof Unavailable) logger.debug({ gateway, why }, 'gateway not pinged');
    else logger.error({ gateway, why: traceOf(error) }, 'gateway not pinged');
    watched.recordLocalFailure(why);
  }

  /** @returns false when it failed; the next ping tries again */
  async #switchOff(entry: Entry, { summary }: PingOutcome): Promise<boolean> {
    const { carriers, alerts, logger, timers } = this.options;
    const { gateway } = entry.watched;
    const disable = async () => {
      await carriers.disablePing(gateway.gatewaySid);
      return true;
    };
    if (!(await turn(logger, 'switching off of OPTIONS pings', disable, timers))) return false;
    alerts.raise({
      type: 'carrier-disabled',
      message: `OPTIONS pings of gateway ${gatewayName(gateway)} (${gateway.carrierSid}) switched off: ${summary}`,
      ...ownersOf(gateway),
      targetSid: gateway.carrierSid,
    });
    if (this.#isCurrent(entry)) {
      this.#switchedOff.add(gateway.gatewaySid);
      this.#drop(gateway.gatewaySid, entry);
    }
    return true;
  }

  #isCurrent(entry: Entry): boolean {
    return this.#entries.get(entry.watched.gateway.gatewaySid) === entry;
  }

  #drop(sid: string, entry: Entry): void {
    const { logger, timers } = this.options;
    this.#entries.delete(sid);
    entry.timer?.cancel();
    if (this.#running) background(logger, UNLISTING, () => entry.watched.endAndForget(), timers);
    else entry.watched.end();
  }

  #end(entry: Entry): void {
    entry.timer?.cancel();
    entry.watched.end();
  }
}

function sameTarget(a: Gateway, b: Gateway): boolean {
  return (
    a.host === b.host &&
    a.port === b.port &&
    a.transport === b.transport &&
    a.sips === b.sips &&
    a.outboundProxy === b.outboundProxy
  );
}
