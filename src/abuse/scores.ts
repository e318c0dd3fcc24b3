import { LruCache } from '../lib/lru-cache.ts';
import type { Clock } from '../lib/timers.ts';
import { HALF_LIFE_MS } from '../ports/abuse-store.ts';

/** The source that has been quiet longest is forgotten beyond this. */
const MAX_SOURCES = 10_000;

interface Score {
  readonly points: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Scores of sources, which halve every {@link HALF_LIFE_MS}. */
export class Scores {
  readonly #scores = new LruCache<Score>(MAX_SOURCES);

  constructor(private readonly clock: Clock) {}

  get(source: string): number {
    const score = this.#scores.get(source);
    return score ? this.#present(score) : 0;
  }

  /** Sources with a score of at least 1, and the highest score. */
  summary(): { readonly sources: number; readonly highest: number } {
    let sources = 0;
    let highest = 0;
    this.#scores.forEach((stored) => {
      const score = this.#present(stored);
      if (score >= 1) sources++;
      highest = Math.max(highest, score);
    });
    return { sources, highest };
  }

  /** @returns the score afterwards */
  add(source: string, points: number): number {
    const sum = this.get(source) + points;
    this.#scores.set(source, { points: sum, at: this.clock.now() });
    return sum;
  }

  /** Takes over scores of the cluster that are higher. */
  adopt(scores: ReadonlyMap<string, number>): void {
    for (const [source, points] of scores)
      if (points > this.get(source)) this.#scores.set(source, { points, at: this.clock.now() });
  }

  /** @returns whether the source had a score */
  clear(source: string): boolean {
    return this.#scores.delete(source);
  }

  clearAll(): void {
    this.#scores.clear();
  }

  #present({ points, at }: Score): number {
    return points * 2 ** ((at - this.clock.now()) / HALF_LIFE_MS);
  }
}
