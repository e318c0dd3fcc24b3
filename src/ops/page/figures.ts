import type { FiguresOfSecond } from '../recent-figures.ts';
import { byId } from './dom.ts';
import { latency } from './format.ts';
import { type Line, Plot } from './plot.ts';

/** Seconds that are kept; a little more than is drawn. */
const KEPT_SECONDS = 320;

/** The plots of registrations and latency. */
export class Figures {
  readonly #seconds = new Map<number, FiguresOfSecond>();
  readonly #rate = new Plot(byId('plots', HTMLElement), {
    title: 'REGISTERs per second',
    format: (value) => String(value),
    least: 2,
  });
  readonly #latency = new Plot(byId('plots', HTMLElement), {
    title: 'Latency of what is granted',
    format: latency,
    least: 1,
  });

  add(seconds: readonly FiguresOfSecond[]): void {
    for (const second of seconds) this.#seconds.set(second.at / 1000, second);
    const end = Math.max(...this.#seconds.keys());
    if (!Number.isFinite(end)) return;
    for (const second of this.#seconds.keys()) if (second <= end - KEPT_SECONDS) this.#seconds.delete(second);
    this.#rate.draw(
      [this.#line('granted', 'first', (each) => each.granted), this.#line('refused', 'second', (each) => each.refused)],
      end,
    );
    this.#latency.draw(
      [this.#line('median', 'first', (each) => each.p50), this.#line('99 %', 'second', (each) => each.p99)],
      end,
    );
  }

  /** Forgets all: the sidecar may be another one. */
  clear(): void {
    this.#seconds.clear();
  }

  #line(name: string, style: Line['style'], value: (second: FiguresOfSecond) => number | null): Line {
    const values = new Map<number, number>();
    for (const [at, second] of this.#seconds) {
      const each = value(second);
      if (each !== null) values.set(at, each);
    }
    return { name, style, values };
  }
}
