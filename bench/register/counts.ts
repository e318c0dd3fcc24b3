/** How many different wrong answers are kept word for word, for the report. */
const MAX_SAMPLES = 5;

/** What is counted over one run. A unit is one whole piece of work, e.g. both requests of a registration. */
export class Counts {
  /** Units begun, and what became of them: started = done + wrong + unanswered once the run is over. */
  started = 0;
  done = 0;
  wrong = 0;
  unanswered = 0;
  /** Units that were due but had no idle phone left: the load asked for was not offered. */
  skipped = 0;
  /** Units done before the window closed; what the throughput is made of. */
  doneInTime = 0;
  requests = 0;
  retransmissions = 0;
  /** Responses to nothing that was waited for: late ones, repeated ones. */
  stray = 0;
  /** Packets that the kernel did not take or threw away. */
  lost = 0;
  /** How late the pacing was at worst, in ms. */
  lagMs = 0;
  /** Answers by status code. */
  readonly statuses = new Map<number, number>();
  /** The first different wrong answers in words. */
  readonly samples = new Set<string>();
  readonly latency = new Latency();

  answered(status: number): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
  }

  wrongAnswer(text: string): void {
    this.wrong++;
    if (this.samples.size < MAX_SAMPLES) this.samples.add(text);
  }
}

/** Every latency of a run, exact, in ms: eight bytes a unit. */
export class Latency {
  #values = new Float64Array(4096);
  #count = 0;
  #sorted = true;

  add(ms: number): void {
    if (this.#count === this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#count++] = ms;
    this.#sorted = false;
  }

  /** The smallest value that at least this share (0 to 1) of all values does not exceed; NaN without values. */
  percentile(share: number): number {
    if (!this.#sorted) {
      this.#values.subarray(0, this.#count).sort();
      this.#sorted = true;
    }
    if (this.#count === 0) return Number.NaN;
    return this.#values[Math.max(0, Math.ceil(share * this.#count) - 1)] ?? Number.NaN;
  }
}
