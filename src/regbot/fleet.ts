import { background } from '../lib/background.ts';
import { defined } from '../lib/defined.ts';
import type { LatestWrites } from '../lib/latest-writes.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import { VERSION } from '../lib/version.ts';
import type { Alerts } from '../ports/alerts.ts';
import type { CarrierDirectory, Carriers, RegisterStatus, Trunk } from '../ports/carriers.ts';
import type { EphemeralGateways } from '../ports/ephemeral-gateways.ts';
import type { Events } from '../ports/events.ts';
import type { NextHops } from '../ports/next-hops.ts';
import type { SipClient } from '../ports/sip-server.ts';
import type { TrunkContacts } from '../ports/trunk-contacts.ts';
import { Absences } from './absences.ts';
import { AvoidedTargets } from './avoided-targets.ts';
import { Cseqs } from './cseqs.ts';
import { EphemeralAddresses } from './ephemeral.ts';
import { HeldContacts } from './held-contacts.ts';
import type { Duty } from './leader.ts';
import { Pace } from './pace.ts';
import type {
  TrunkRegistrationContext,
  TrunkRegistrationEvents,
  TrunkRegistrationSettings,
  TrunkRegistrationView,
} from './registration-context.ts';
import { bindingKey, type Skipped, selectTrunks } from './select.ts';
import { statusWriter } from './status-writer.ts';
import { TrunkRegistration } from './trunk-registration.ts';

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
  readonly contacts: TrunkContacts;
  readonly alerts: Alerts;
  readonly events: Events;
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
  readonly #contacts: HeldContacts;
  readonly #statuses: LatestWrites<RegisterStatus>;
  /** By gateway sid, including those being un-registered. */
  readonly #registrations = new Map<string, TrunkRegistration>();
  /** By the sid of the gateway that is un-registered first: the trunk that is the same registration at the carrier. */
  readonly #successors = new Map<string, Trunk>();
  #applying = false;
  #skipped: readonly Skipped[] = [];
  readonly #absences: Absences;
  #sipDomain: string | undefined;
  #timer: Timer | undefined;
  /** Incremented when the lead is gained or lost; a read started at an earlier value is ignored. */
  #term = 0;
  #leading = false;
  #reading: Promise<void> | undefined;
  /** Resolves when registrations may start. */
  #loaded: Promise<void> | undefined;

  constructor(private readonly options: FleetOptions) {
    const { directory, ephemeral, contacts, timers, logger, settings, random, sip, nextHops } = options;
    this.#pace = new Pace(settings.batchSize, settings.batchSleepMs, timers);
    this.#ephemeral = new EphemeralAddresses(ephemeral, timers, logger);
    this.#contacts = new HeldContacts(contacts, timers, logger);
    this.#statuses = statusWriter(directory, timers, logger);
    this.#absences = new Absences((carrierSid, reason) =>
      this.#statuses.put(carrierSid, { status: 'fail', reason, timestamp: new Date(timers.now()).toISOString() }),
    );
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
      cseqs: new Cseqs(timers),
      contacts: this.#contacts,
      events: this.#events(),
      get sipDomain() {
        return sipDomain();
      },
    };
  }

  gained(): void {
    this.#leading = true;
    this.#term++;
    this.#loaded = this.#contacts.load();
    void this.#read();
  }

  lost(): void {
    this.#leading = false;
    this.#term++;
    this.#timer?.cancel();
    this.#pace.clear();
    this.#ephemeral.forget();
    this.#contacts.forget();
    this.#statuses.forget();
    for (const registration of this.#registrations.values()) registration.stop();
    this.#registrations.clear();
    this.#skipped = [];
    this.#absences.forget();
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

  /** What requires registration and is not registered, and why. */
  skipped(): Skipped[] {
    return [...this.#skipped];
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
    const [carriers] = await Promise.all([this.options.directory.read(), this.#loaded]);
    if (term === this.#term) this.#apply(carriers, readAt);
  }

  #apply(carriers: Carriers, readAt: number): void {
    this.#sipDomain = carriers.sipDomain;
    const { selected, skipped } = selectTrunks(carriers);
    this.#logNew(skipped);
    this.#skipped = skipped;
    this.#contacts.dropExpired();
    this.#applying = true;
    for (const [gatewaySid, registration] of this.#registrations) if (!selected.has(gatewaySid)) registration.remove();
    const leaving = new Map<string, string>();
    for (const [gatewaySid, registration] of this.#registrations)
      if (registration.leaving && !selected.has(gatewaySid)) leaving.set(bindingKey(registration.trunk), gatewaySid);
    this.#successors.clear();
    for (const [gatewaySid, trunk] of selected) {
      const registration = this.#registrations.get(gatewaySid);
      const predecessor = registration ? undefined : leaving.get(bindingKey(trunk));
      if (predecessor !== undefined) this.#successors.set(predecessor, trunk);
      else if (!registration) this.#register(trunk);
      else if (!sameTrunk(registration.trunk, trunk) || registration.leaving || wasEnabled(registration, readAt))
        registration.change(trunk);
    }
    this.#applying = false;
    const present = [...this.#registrations.values()].map(({ trunk }) => trunk.carrierSid);
    this.#absences.update(skipped, carriers.switchedOff ?? [], new Set(present));
  }

  #register(trunk: Trunk): void {
    this.#registrations.set(trunk.gatewaySid, new TrunkRegistration(this.#context, trunk));
  }

  #gone({ gatewaySid, carrierSid }: Trunk, refusal: string | undefined): void {
    this.#registrations.delete(gatewaySid);
    if (refusal !== undefined) this.#absences.refusedLeft(carrierSid, refusal);
    const successor = this.#successors.get(gatewaySid);
    if (successor) this.#register(successor);
    const isOfCarrier = ({ trunk }: TrunkRegistration) => trunk.carrierSid === carrierSid;
    if (!this.#applying && !this.#registrations.values().some(isOfCarrier)) this.#absences.ended(carrierSid);
  }

  #logNew(skipped: readonly Skipped[]): void {
    const entry = ({ carrierSid, gateway, why }: Skipped) => `${gateway ?? carrierSid} ${why}`;
    const known = new Set(this.#skipped.map(entry));
    for (const one of skipped) if (!known.has(entry(one))) this.options.logger.warn(one, 'not registered');
  }

  #events(): TrunkRegistrationEvents {
    const { directory, events } = this.options;
    return {
      status: ({ carrierSid }, status) => {
        this.#absences.reported(carrierSid);
        this.#statuses.put(carrierSid, status);
      },
      holdAddresses: (trunk, addresses, expiresAt) => this.#ephemeral.hold(trunk, addresses, expiresAt),
      releaseAddresses: (trunk) => this.#ephemeral.release(trunk),
      changed: ({ carrier, carrierSid, gateway, state, lastReason: reason }) =>
        events.emit(defined({ type: 'trunk', carrier, carrierSid, gateway, state, reason })),
      gone: (trunk, refusal) => this.#gone(trunk, refusal),
      disable: async (trunk, refusal) => {
        await directory.disableRegistration(trunk.carrierSid, trunk.trunkType);
        this.#absences.switchedOff(trunk.carrierSid, refusal);
        this.#tellDisabled(trunk);
      },
    };
  }

  #tellDisabled({ carrierName, carrierSid, gatewaySid, trunkType, accountSid, serviceProviderSid }: Trunk): void {
    const { alerts, logger } = this.options;
    const message =
      trunkType === 'reg'
        ? `Deactivating carrier ${carrierName} (sid:${carrierSid}) due to registration errors`
        : `Disabling Outbound Registration for carrier ${carrierName} (sid:${carrierSid})`;
    logger.warn({ carrier: carrierName, gateway: gatewaySid }, message);
    const targetSid = carrierSid;
    alerts.raise(defined({ type: 'carrier-disabled', message, accountSid, serviceProviderSid, targetSid }));
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
