import type { Clock } from '../lib/timers.ts';
import type { Metrics, RegisterResult } from '../ports/metrics.ts';

/** Seconds that are kept: five minutes. */
const SECONDS = 300;
/** Latencies are counted in classes: the first ends at 0.1 ms, each of the others a quarter higher, the last has no end. */
const FIRST_MS = 0.1;
const RATIO = 1.25;
const CLASSES = 53;

/** The REGISTERs answered in one second. */
export interface FiguresOfSecond {
  /** Its beginning, milliseconds since the epoch. */
  readonly at: number;
  /** Answered 200. */
  readonly granted: number;
  readonly challenged: number;
  readonly refused: number;
  /** Median and 99th percentile of the latency of what was granted, ms, within an eighth; null without any. */
  readonly p50: number | null;
  readonly p99: number | null;
}

export interface RefusalCount {
  /** A name of the table in docs/events.md. */
  readonly reason: string;
  readonly count: number;
}

/** Counts the REGISTERs of the last five minutes, second by second. */
export class RecentFigures implements Metrics {
  /** By the second modulo their number. */
  readonly #ring = new Array<Second | undefined>(SECONDS).fill(undefined);
  readonly #startedAt: number;

  constructor(private readonly clock: Clock) {
    this.#startedAt = secondOf(clock.now());
  }

  registerAnswered({ result, reason, ms }: Parameters<Metrics['registerAnswered']>[0]): void {
    this.#current().count(result, reason, ms);
  }

  registerStep(): void {}

  webhookAnswered(): void {}

  /** Every second that is over, oldest first, those without a REGISTER too. @param after only seconds that began later */
  seconds(after = 0): FiguresOfSecond[] {
    const now = secondOf(this.clock.now());
    const first = Math.max(this.#startedAt, now - SECONDS + 1, secondOf(after) + 1);
    const figures: FiguresOfSecond[] = [];
    for (let second = first; second < now; second++) {
      const kept = this.#ring[second % SECONDS];
      figures.push((kept?.second === second ? kept : new Second(second)).figures());
    }
    return figures;
  }

  /** Refusals of the last five minutes, most frequent first. */
  refusals(): RefusalCount[] {
    const now = secondOf(this.clock.now());
    const counts = new Map<string, number>();
    for (const second of this.#ring) {
      if (!second || second.second <= now - SECONDS || second.second > now) continue;
      for (const [reason, count] of second.reasons) counts.set(reason, (counts.get(reason) ?? 0) + count);
    }
    return [...counts].map(([reason, count]) => ({ reason, count })).sort((a, b) => b.count - a.count);
  }

  #current(): Second {
    const now = secondOf(this.clock.now());
    const kept = this.#ring[now % SECONDS];
    if (kept?.second === now) return kept;
    const fresh = new Second(now);
    this.#ring[now % SECONDS] = fresh;
    return fresh;
  }
}

class Second {
  /** Names of refusals are few. */
  readonly reasons = new Map<string, number>();
  readonly #latencies = new Uint32Array(CLASSES);
  #granted = 0;
  #challenged = 0;
  #refused = 0;

  /** @param second since the epoch */
  constructor(readonly second: number) {}

  count(result: RegisterResult, reason: string, ms: number): void {
    if (result === 'challenged') this.#challenged++;
    else if (result === 'refused') {
      this.#refused++;
      this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
    } else {
      this.#granted++;
      const index = classOf(ms);
      this.#latencies[index] = (this.#latencies[index] ?? 0) + 1;
    }
  }

  figures(): FiguresOfSecond {
    return {
      at: this.second * 1000,
      granted: this.#granted,
      challenged: this.#challenged,
      refused: this.#refused,
      p50: this.#percentile(0.5),
      p99: this.#percentile(0.99),
    };
  }

  #percentile(share: number): number | null {
    if (this.#granted === 0) return null;
    let left = Math.ceil(share * this.#granted);
    const index = this.#latencies.findIndex((count) => {
      left -= count;
      return left <= 0;
    });
    const middle = FIRST_MS * RATIO ** (index - 0.5);
    return Number(middle.toPrecision(3));
  }
}

function secondOf(ms: number): number {
  return Math.floor(ms / 1000);
}

function classOf(ms: number): number {
  if (!(ms > FIRST_MS)) return 0;
  return Math.min(Math.ceil(Math.log(ms / FIRST_MS) / Math.log(RATIO)), CLASSES - 1);
}
