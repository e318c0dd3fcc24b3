import type { Protocol } from '../edge/client.ts';
import { Phone } from '../edge/phone.ts';
import { evenly } from '../register/pace.ts';

/** Phones in the making at a time; beyond that the machine cannot keep up, and beginning more would only hide it. */
const MAX_AT_A_TIME = 200;
/** Registered phones that stay, the last to have come: connections are open when handles are counted. */
const STAYING = 60;
/** Different failures that the report shows. */
const MAX_FAILURES = 5;

/** Phones that come, register and go: over each protocol so many a second. */
export class Churn {
  done = 0;
  failed = 0;
  skipped = 0;
  readonly failures = new Set<string>();
  readonly #staying: Phone[] = [];
  #inFlight = 0;
  #next = 0;

  constructor(
    private readonly ports: Readonly<Partial<Record<Protocol, number>>>,
    /** Users that nobody else registers: from this number on, so many. */
    private readonly users: { readonly first: number; readonly count: number },
  ) {}

  /** Resolves when the last phone is gone. */
  async run(rate: number, seconds: number): Promise<void> {
    const protocols = Object.keys(this.ports) as Protocol[];
    const going = new Set<Promise<void>>();
    await evenly(rate * protocols.length, seconds, () => {
      if (this.#inFlight >= MAX_AT_A_TIME) {
        this.skipped++;
        return;
      }
      const n = this.#next++;
      const protocol = protocols[n % protocols.length] ?? 'udp';
      const one = this.#one(protocol, this.users.first + (n % this.users.count)).finally(() => going.delete(one));
      going.add(one);
    });
    await Promise.all(going);
    for (const phone of this.#staying.splice(0)) phone.close();
  }

  async #one(protocol: Protocol, user: number): Promise<void> {
    this.#inFlight++;
    let phone: Phone | undefined;
    try {
      phone = await Phone.open(protocol, this.ports[protocol] ?? 0, user);
      await phone.register();
      this.done++;
      this.#staying.push(phone);
      phone = this.#staying.length > STAYING ? this.#staying.shift() : undefined;
    } catch (error) {
      this.failed++;
      if (this.failures.size < MAX_FAILURES)
        this.failures.add(`${protocol}: ${error instanceof Error ? error.message : error}`);
    } finally {
      phone?.close();
      this.#inFlight--;
    }
  }
}
