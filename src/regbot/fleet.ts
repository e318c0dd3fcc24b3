import { type Logger, traceOf } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import { VERSION } from '../lib/version.ts';
import type { Alerts } from '../ports/alerts.ts';
import type { CarrierDirectory, Carriers, Trunk } from '../ports/carriers.ts';
import type { EphemeralGateways } from '../ports/ephemeral-gateways.ts';
import { Unavailable } from '../ports/errors.ts';
import type { NextHops } from '../ports/next-hops.ts';
import type { SipClient } from '../ports/sip-server.ts';
import { EphemeralAddresses } from './ephemeral.ts';
import type { Duty } from './leader.ts';
import { AvoidedTargets } from './next-targets.ts';
import { Pace } from './pace.ts';
import {
  Registration,
  type RegistrationEvents,
  type RegistrationSettings,
  type RegistrationView,
  type RegistrationWorld,
} from './registration.ts';
import { type Skipped, selectTrunks } from './select.ts';
import { StatusWriter } from './status-writer.ts';

export interface FleetSettings extends RegistrationSettings {
  /** At most so many start together … */
  readonly batchSize: number;
  /** … and the next so many no sooner, milliseconds. */
  readonly batchSleepMs: number;
  /** How often the directory is read. */
  readonly refreshSeconds: number;
}

export interface FleetOptions {
  readonly directory: CarrierDirectory;
  readonly sip: SipClient;
  readonly nextHops: NextHops;
  readonly ephemeral: EphemeralGateways;
  readonly alerts: Alerts;
  readonly logger: Logger;
  readonly timers: Timers;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly settings: FleetSettings;
  /** Of the {@link Leader}; asked before each request. */
  mayAct(): boolean;
}

/** What became of {@link Fleet.refreshNow}. */
export type Refreshed = 'done' | 'unknown trunk' | 'not leading';

/** Retry of a directory that does not answer, milliseconds. */
const READ_RETRY_MS = 5_000;
/**
 * A disabled trunk that is still in the directory was enabled by somebody: so long after we wrote it, milliseconds, even
 * a replica shows what we wrote.
 */
const DISABLED_GRACE_MS = 10_000;

/**
 * All registrations at carriers, as the directory wants them, while this sidecar leads. Losing the lead stops them
 * without a word to the carriers: whoever leads next registers everything again.
 */
export class Fleet implements Duty {
  readonly #world: RegistrationWorld;
  readonly #pace: Pace;
  readonly #ephemeral: EphemeralAddresses;
  readonly #statuses: StatusWriter;
  /** By gateway; those that are leaving too. */
  readonly #registrations = new Map<string, Registration>();
  #skipped: ReadonlyMap<string, Skipped> = new Map();
  #sipDomain: string | undefined;
  #timer: Timer | undefined;
  /** Counts the times we led: a read of an earlier one is not heard. */
  #term = 0;
  #leading = false;
  #reading: Promise<void> | undefined;

  constructor(private readonly options: FleetOptions) {
    const { directory, ephemeral, timers, logger, settings, random, sip, nextHops } = options;
    this.#pace = new Pace(settings.batchSize, settings.batchSleepMs, timers);
    this.#ephemeral = new EphemeralAddresses(ephemeral, timers, logger);
    this.#statuses = new StatusWriter(directory, logger);
    const sipDomain = () => this.#sipDomain;
    this.#world = {
      ...{ sip, nextHops, timers, logger, random, mayAct: () => options.mayAct() },
      settings: { ...settings, userAgent: settings.userAgent || `sbc-sip-sidecar/${VERSION}` },
      targets: new AvoidedTargets(timers),
      pace: this.#pace,
      events: this.#events(),
      get sipDomain() {
        return sipDomain();
      },
    };
  }

  gained(): void {
    this.#leading = true;
    this.#term++;
    void this.#read();
  }

  lost(): void {
    this.#leading = false;
    this.#term++;
    this.#timer?.cancel();
    this.#pace.clear();
    this.#ephemeral.forget();
    this.#statuses.forget();
    for (const registration of this.#registrations.values()) registration.stop();
    this.#registrations.clear();
    this.#skipped = new Map();
    this.#reading = undefined;
  }

  /**
   * Follows the directory now, and renews one registration now when a gateway is named.
   * @throws Unavailable when the directory does not answer
   */
  async refreshNow(gatewaySid?: string): Promise<Refreshed> {
    if (!this.#leading) return 'not leading';
    const term = this.#term;
    // One that is under way may have begun before what the caller wants to be seen.
    while (this.#reading) await this.#reading;
    if (term === this.#term) await this.#read();
    if (term !== this.#term) return 'not leading';
    if (gatewaySid === undefined) return 'done';
    const registration = this.#registrations.get(gatewaySid);
    if (!registration || registration.leaving) return 'unknown trunk';
    registration.change(registration.trunk);
    return 'done';
  }

  /** Every registration as it is; none while another sidecar leads. */
  snapshot(): RegistrationView[] {
    return [...this.#registrations.values()].map((registration) => registration.view());
  }

  /** Trunks that are not registered, and why. */
  skipped(): Skipped[] {
    return [...this.#skipped.values()];
  }

  /** Reads the directory, and again after the interval. A failure is logged here, so a caller may ignore it. */
  #read(): Promise<void> {
    const { settings, timers, logger } = this.options;
    const term = this.#term;
    this.#timer?.cancel();
    const again = (ms: number) => {
      if (term !== this.#term) return;
      this.#reading = undefined;
      this.#timer = timers.after(ms, () => void this.#read());
    };
    const follow = this.#follow();
    this.#reading = follow.then(
      () => again(settings.refreshSeconds * 1000),
      (error: unknown) => {
        const message = 'carriers not read, registrations go on as they are';
        if (error instanceof Unavailable) logger.warn({ why: error.message }, message);
        else logger.error({ why: traceOf(error) }, message);
        again(Math.min(READ_RETRY_MS, settings.refreshSeconds * 1000));
      },
    );
    return follow;
  }

  async #follow(): Promise<void> {
    const term = this.#term;
    const asked = this.options.timers.now();
    const carriers = await this.options.directory.read();
    if (term === this.#term) this.#apply(carriers, asked);
  }

  /** Makes the registrations what the directory said at that time. */
  #apply({ trunks, sipDomain }: Carriers, asked: number): void {
    const { logger } = this.options;
    this.#sipDomain = sipDomain;
    const { wanted, skipped } = selectTrunks(trunks);
    for (const { carrier, gateway, host, why } of skipped.values())
      if (this.#skipped.get(gateway)?.why !== why) logger.warn({ carrier, gateway, host, why }, 'not registered');
    this.#skipped = skipped;

    for (const [gatewaySid, registration] of this.#registrations)
      if (!wanted.has(gatewaySid) && !registration.leaving) registration.remove();
    for (const [gatewaySid, trunk] of wanted) {
      const registration = this.#registrations.get(gatewaySid);
      if (!registration) this.#registrations.set(gatewaySid, new Registration(this.#world, trunk));
      else if (!sameTrunk(registration.trunk, trunk) || registration.leaving || wasEnabled(registration, asked))
        registration.change(trunk);
    }
  }

  #events(): RegistrationEvents {
    const { directory, alerts, logger } = this.options;
    return {
      status: (trunk, status) => this.#statuses.write(trunk.carrierSid, status),
      hold: (trunk, addresses, expiresAt) => this.#ephemeral.hold(trunk, addresses, expiresAt),
      letGo: (trunk) => this.#ephemeral.letGo(trunk),
      gone: (trunk) => void this.#registrations.delete(trunk.gatewaySid),
      disable: async (trunk) => {
        await directory.disableRegistration(trunk.carrierSid, trunk.trunkType);
        const { carrierName, carrierSid, accountSid, serviceProviderSid } = trunk;
        const message =
          trunk.trunkType === 'reg'
            ? `Deactivating carrier ${carrierName} (sid:${carrierSid}) due to registration errors`
            : `Disabling Outbound Registration for carrier ${carrierName} (sid:${carrierSid})`;
        logger.warn({ carrier: carrierName, gateway: trunk.gatewaySid }, message);
        alerts.raise({ message, ...(accountSid && { accountSid }), ...(serviceProviderSid && { serviceProviderSid }) });
      },
    };
  }
}

/** Whether somebody enabled what we had disabled. @param asked when the directory was, milliseconds since the epoch */
function wasEnabled({ disabledAt }: Registration, asked: number): boolean {
  return disabledAt !== undefined && asked >= disabledAt + DISABLED_GRACE_MS;
}

/** Optional ones are absent rather than undefined, so that names and values say it all. */
function sameTrunk(a: Trunk, b: Trunk): boolean {
  const names = Object.keys(a) as (keyof Trunk)[];
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
