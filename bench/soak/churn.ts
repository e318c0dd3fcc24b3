import type { Protocol } from '../lib/client.ts';
import { messageOf } from '../lib/command.ts';
import { evenly } from '../lib/pace.ts';
import { Phone } from '../lib/phone.ts';
import { portOf, type Server } from '../lib/server.ts';

/** Phones that are registering; at this many the machine does not keep up. */
const MAX_REGISTERING = 200;
/** The newest phones stay connected, so that samples see open connections. */
const STAYING = 60;
const MAX_FAILURES = 5;

export class Churn {
  done = 0;
  failed = 0;
  skipped = 0;
  readonly failures = new Set<string>();
  readonly #staying: Phone[] = [];
  #registering = 0;
  #next = 0;

  constructor(
    private readonly server: Server,
    private readonly protocols: readonly Protocol[],
    /** Numbers of the users that register. */
    private readonly users: { readonly first: number; readonly count: number },
  ) {}

  /** Starts `rate` phones a second over each protocol; resolves when the last one has left. */
  async run(rate: number, seconds: number): Promise<void> {
    const going = new Set<Promise<void>>();
    await evenly(rate * this.protocols.length, seconds, () => {
      if (this.#registering >= MAX_REGISTERING) {
        this.skipped++;
        return;
      }
      const n = this.#next++;
      const protocol = this.protocols[n % this.protocols.length] ?? 'udp';
      const one = this.#one(protocol, this.users.first + (n % this.users.count)).finally(() => going.delete(one));
      going.add(one);
    });
    await Promise.all(going);
    for (const phone of this.#staying.splice(0)) phone.close();
  }

  async #one(protocol: Protocol, user: number): Promise<void> {
    this.#registering++;
    let phone: Phone | undefined;
    try {
      phone = await Phone.open(protocol, portOf(this.server, protocol), user);
      await phone.register();
      this.done++;
      this.#staying.push(phone);
      phone = this.#staying.length > STAYING ? this.#staying.shift() : undefined;
    } catch (error) {
      this.failed++;
      if (this.failures.size < MAX_FAILURES) this.failures.add(`${protocol}: ${messageOf(error)}`);
    } finally {
      phone?.close();
      this.#registering--;
    }
  }
}
