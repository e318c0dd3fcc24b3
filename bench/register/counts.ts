import { Latency } from '../lib/latency.ts';

const MAX_SAMPLES = 5;

/** The counters of one run. A unit is one whole piece of work, e.g. both requests of a registration. */
export class Counts {
  /** Units; started = done + wrong + unanswered once the run is over. */
  started = 0;
  done = 0;
  wrong = 0;
  unanswered = 0;
  /** Units that were due when every phone was busy: less load was offered than requested. */
  skipped = 0;
  doneInTime = 0;
  requests = 0;
  retransmissions = 0;
  /** Late and repeated responses. */
  stray = 0;
  lost = 0;
  /** The longest delay of a unit behind its time, ms. */
  lagMs = 0;
  readonly statuses = new Map<number, number>();
  readonly samples = new Set<string>();
  readonly latency = new Latency();
  /** From the start of a unit to each answer but its last: of a full registration, to the challenge. */
  readonly pending = new Latency();

  answered(status: number): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
  }

  wrongAnswer(text: string): void {
    this.wrong++;
    if (this.samples.size < MAX_SAMPLES) this.samples.add(text);
  }
}
