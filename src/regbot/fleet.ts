import { background } from '../lib/background.ts';
import { defined } from '../lib/defined.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import { VERSION } from '../lib/version.ts';
import type { Alerts } from '../ports/alerts.ts';
import type { CarrierDirectory, Carriers, Trunk } from '../ports/carriers.ts';
import type { EphemeralGateways } from '../ports/ephemeral-gateways.ts';
import type { NextHops } from '../ports/next-hops.ts';
import type { SipClient } from '../ports/sip-server.ts';
import { AvoidedTargets } from './avoided-targets.ts';
import { EphemeralAddresses } from './ephemeral.ts';
import type { Duty } from './leader.ts';
import { Pace } from './pace.ts';
import { type Skipped, selectTrunks } from './select.ts';
import { StatusWriter } from './status-writer.ts';
import {
  TrunkRegistration,
  type TrunkRegistrationContext,
  type TrunkRegistrationEvents,
  type TrunkRegistrationSettings,
  type TrunkRegistrationView,
} from './trunk-registration.ts';

export interface FleetSettings extends TrunkRegistrationSettings {
  readonly batchSize: number;
  readonly batchSleepMs: number;
  /** Interval at which the directory is read. */
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
  readonly random: () => number;
  readonly settings: FleetSettings;
  /** Whether we lead; called before each request. */
  mayAct(): boolean;
}

export type Refreshed = 'done' | 'unknown trunk' | 'not leading';

const READ_RETRY_MS = 5_000;
/**
 * A trunk that is still in the directory this long after we disabled it was enabled again: by then replicas show what
 * we wrote.
 */
const DISABLED_GRACE_MS = 10_000;

/**
 * All trunk registrations, kept in line with the directory while this sidecar leads. On losing the lead it stops
 * without un-registering, since the next leader registers everything again.
 */
export class Fleet implements Duty {
  readonly #context: TrunkRegistrationContext;
  readonly #pace: Pace;
  readonly #ephemeral: EphemeralAddresses;
  readonly #statuses: StatusWriter;
  /** By gateway sid, including those being un-registered. */
  readonly #registrations = new Map<string, TrunkRegistration>();
  #skipped: ReadonlyMap<string, Skipped> = new Map();
  #sipDomain: string | undefined;
  #timer: Timer | undefined;
  /** Incremented when the lead is gained or lost; a read started at an earlier value is ignored. */
  #term = 0;
  #leading = false;
  #reading: Promise<void> | undefined;

  constructor(private readonly options: FleetOptions) {
    const { directory, ephemeral, timers, logger, settings, random, sip, nextHops } = options;
    this.#pace = new Pace(settings.batchSize, settings.batchSleepMs, timers);
    this.#ephemeral = new EphemeralAddresses(ephemeral, timers, logger);
    this.#statuses = new StatusWriter(directory, logger);
    const sipDomain = () => this.#sipDomain;
    this.#context = {
      sip,
      nextHops,
      timers,
      logger,
      random,
      mayAct: () => options.mayAct(),
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
   * Reads the directory now, and refreshes the registration of the given gateway.
   * @throws DependencyError when the directory cannot be read
   */
  async refreshNow(gatewaySid?: string): Promise<Refreshed> {
    if (!this.#leading) return 'not leading';
    const term = this.#term;
    // A read in progress may have started before the caller's change.
    while (this.#reading) await this.#reading;
    if (term === this.#term) await this.#read();
    if (term !== this.#term) return 'not leading';
    if (gatewaySid === undefined) return 'done';
    const registration = this.#registrations.get(gatewaySid);
    if (!registration || registration.leaving) return 'unknown trunk';
    registration.change(registration.trunk);
    return 'done';
  }

  /** The current registrations; none while another sidecar leads. */
  snapshot(): TrunkRegistrationView[] {
    return [...this.#registrations.values()].map((registration) => registration.view());
  }

  /** Trunks that are not registered, and why. */
  skipped(): Skipped[] {
    return [...this.#skipped.values()];
  }

  /** Reads the directory and schedules the next read. A failure is logged here, so a caller may ignore it. */
  #read(): Promise<void> {
    const { settings, timers, logger } = this.options;
    const term = this.#term;
    this.#timer?.cancel();
    const again = (ms: number) => {
      if (term !== this.#term) return;
      this.#reading = undefined;
      this.#timer = timers.after(ms, () => void this.#read());
    };
    const reading = this.#update();
    background(logger, 'reading of carriers', () => reading, timers);
    this.#reading = reading.then(
      () => again(settings.refreshSeconds * 1000),
      () => again(Math.min(READ_RETRY_MS, settings.refreshSeconds * 1000)),
    );
    return reading;
  }

  async #update(): Promise<void> {
    const term = this.#term;
    const readAt = this.options.timers.now();
    const carriers = await this.options.directory.read();
    if (term === this.#term) this.#apply(carriers, readAt);
  }

  #apply({ trunks, sipDomain }: Carriers, readAt: number): void {
    const { logger } = this.options;
    this.#sipDomain = sipDomain;
    const { selected, skipped } = selectTrunks(trunks);
    for (const { carrier, gateway, host, why } of skipped.values())
      if (this.#skipped.get(gateway)?.why !== why) logger.warn({ carrier, gateway, host, why }, 'not registered');
    this.#skipped = skipped;

    for (const [gatewaySid, registration] of this.#registrations)
      if (!selected.has(gatewaySid) && !registration.leaving) registration.remove();
    for (const [gatewaySid, trunk] of selected) {
      const registration = this.#registrations.get(gatewaySid);
      if (!registration) this.#registrations.set(gatewaySid, new TrunkRegistration(this.#context, trunk));
      else if (!sameTrunk(registration.trunk, trunk) || registration.leaving || wasEnabled(registration, readAt))
        registration.change(trunk);
    }
  }

  #events(): TrunkRegistrationEvents {
    const { directory, alerts, logger } = this.options;
    return {
      status: (trunk, status) => this.#statuses.write(trunk.carrierSid, status),
      holdAddresses: (trunk, addresses, expiresAt) => this.#ephemeral.hold(trunk, addresses, expiresAt),
      releaseAddresses: (trunk) => this.#ephemeral.release(trunk),
      gone: (trunk) => void this.#registrations.delete(trunk.gatewaySid),
      disable: async (trunk) => {
        await directory.disableRegistration(trunk.carrierSid, trunk.trunkType);
        const { carrierName, carrierSid, accountSid, serviceProviderSid } = trunk;
        const message =
          trunk.trunkType === 'reg'
            ? `Deactivating carrier ${carrierName} (sid:${carrierSid}) due to registration errors`
            : `Disabling Outbound Registration for carrier ${carrierName} (sid:${carrierSid})`;
        logger.warn({ carrier: carrierName, gateway: trunk.gatewaySid }, message);
        alerts.raise(defined({ message, accountSid, serviceProviderSid }));
      },
    };
  }
}

/** Whether a trunk was enabled again after we disabled it. @param readAt milliseconds since the epoch */
function wasEnabled({ disabledAt }: TrunkRegistration, readAt: number): boolean {
  return disabledAt !== undefined && readAt >= disabledAt + DISABLED_GRACE_MS;
}

function sameTrunk(a: Trunk, b: Trunk): boolean {
  const names = Object.keys(a) as (keyof Trunk)[];
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
