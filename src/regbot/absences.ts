import type { Skipped } from './select.ts';

const SWITCHED_OFF = 'registration switched off';
const afterRefusal = (reason: string) => `${SWITCHED_OFF} after ${reason}`;

/** Reports why a carrier that has no registration has none: once, and after its last registration has ended. */
export class Absences {
  /** The carriers with a registration at the last update that have not ended since. */
  #present: Set<string> = new Set();
  #reasons: ReadonlyMap<string, string> = new Map();
  /** Carriers that we have switched off, with the reason to report. */
  readonly #refused = new Map<string, string>();
  /** What the status of a carrier says since its last registration ended. */
  readonly #said = new Map<string, string>();

  constructor(private readonly report: (carrierSid: string, why: string) => void) {}

  /**
   * @param switchedOff carriers that need no registration any more and have a status that says `ok`
   * @param present the carriers with a registration, which reports its own status, until it is un-registered
   */
  update(skipped: readonly Skipped[], switchedOff: readonly string[], present: ReadonlySet<string>): void {
    const before = this.#present;
    this.#present = new Set(present);
    this.#reasons = new Map(
      [...Map.groupBy(skipped, (one) => one.carrierSid)].map(([sid, some]) => [sid, joined(some)]),
    );
    const off = new Set(switchedOff);
    for (const carrierSid of this.#said.keys())
      if (![before, off, this.#reasons].some((some) => some.has(carrierSid))) this.#said.delete(carrierSid);
    for (const carrierSid of before) if (!present.has(carrierSid)) this.ended(carrierSid);
    for (const carrierSid of this.#reasons.keys()) if (!present.has(carrierSid)) this.ended(carrierSid);
    // A status that we wrote may not have reached the replica that we read.
    for (const carrierSid of off)
      if (!present.has(carrierSid) && !this.#said.has(carrierSid)) this.#say(carrierSid, SWITCHED_OFF);
  }

  /** A carrier has no registration. */
  ended(carrierSid: string): void {
    this.#say(carrierSid, this.#reasons.get(carrierSid) ?? this.#refused.get(carrierSid) ?? SWITCHED_OFF);
    this.#refused.delete(carrierSid);
    this.#present.delete(carrierSid);
  }

  /** A registration has reported the status of its carrier. */
  reported(carrierSid: string): void {
    this.#said.delete(carrierSid);
  }

  /** We have switched a carrier off: unless another registration of it reports one, its status stays the refusal. */
  switchedOff(carrierSid: string, reason: string): void {
    this.#said.set(carrierSid, afterRefusal(reason));
  }

  /** A registration that we switched off has left the directory. */
  refusedLeft(carrierSid: string, reason: string): void {
    this.#refused.set(carrierSid, afterRefusal(reason));
  }

  forget(): void {
    this.#present = new Set();
    this.#reasons = new Map();
    this.#refused.clear();
    this.#said.clear();
  }

  #say(carrierSid: string, why: string): void {
    if (this.#said.get(carrierSid) === why) return;
    this.#said.set(carrierSid, why);
    this.report(carrierSid, why);
  }
}

/** The reasons of a carrier's gateways, each once. */
function joined(skipped: readonly Skipped[]): string {
  return [...new Set(skipped.map(({ why }) => why))].join('; ');
}
