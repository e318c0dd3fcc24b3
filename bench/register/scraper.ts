import { Latency } from '../lib/latency.ts';

/** Scrapes the metrics of a sidecar at a steady pace, as Prometheus does. */
export class Scraper {
  readonly #took = new Latency();
  readonly #timer: ReturnType<typeof setInterval>;
  #failed = 0;
  #bytes = 0;

  constructor(
    private readonly url: string,
    intervalMs: number,
  ) {
    this.#timer = setInterval(() => void this.#scrape(), intervalMs);
  }

  /** Ends it. @returns a line for people */
  stop(): string {
    clearInterval(this.#timer);
    const [p50, p99, max] = [0.5, 0.99, 1].map((share) => this.#took.percentile(share).toFixed(1));
    const failed = this.#failed > 0 ? `, ${this.#failed} failed` : '';
    return `scrapes: ${this.#took.count}${failed}, ${this.#bytes} bytes, p50 ${p50} ms, p99 ${p99} ms, max ${max} ms`;
  }

  async #scrape(): Promise<void> {
    const startedAt = performance.now();
    try {
      const response = await fetch(this.url);
      if (!response.ok) throw new Error(`status ${response.status}`);
      this.#bytes = (await response.text()).length;
      this.#took.add(performance.now() - startedAt);
    } catch {
      this.#failed++;
    }
  }
}
