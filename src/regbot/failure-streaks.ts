import type { Failed } from './task.ts';

/** Counts the failures of a registration since it succeeded last. */
export class FailureStreaks {
  /** Failures in a row, of our side or of the carrier: a failure of the other kind begins anew. */
  failures = 0;
  /** Responses from `removeCodes` in a row. A failure without a response does not end them. */
  refusals = 0;
  #ourFault = false;

  constructor(private readonly removeCodes: readonly number[]) {}

  add({ status, ourFault }: Failed): void {
    if (status !== undefined) this.refusals = this.removeCodes.includes(status) ? this.refusals + 1 : 0;
    this.failures = ourFault === this.#ourFault ? this.failures + 1 : 1;
    this.#ourFault = ourFault;
  }

  end(): void {
    this.failures = 0;
    this.refusals = 0;
  }
}
