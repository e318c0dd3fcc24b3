import { Latency } from '../lib/latency.ts';
import type { Phone } from '../lib/phone.ts';
import { Watch } from '../lib/proc.ts';
import type { Server } from '../lib/server.ts';

export const WORKS = ['options', 'refresh'] as const;
export type Work = (typeof WORKS)[number];

export interface Run {
  readonly messagesPerSecond: number;
  /** CPU of the server for a request and its answer, µs. */
  readonly cpuUs: number;
  readonly p99Ms: number;
  readonly rssMb: number;
  /** Answers other than 200, and requests whose connection ended first. */
  readonly wrong: number;
}

const GRACE_SECONDS = 10;

/** Closed loop: for `seconds` every phone sends its next request when the last one is answered. */
export async function run(server: Server, phones: readonly Phone[], work: Work, seconds: number): Promise<Run> {
  const method = work === 'options' ? 'OPTIONS' : 'REGISTER';
  const latency = new Latency();
  let wrong = 0;
  const watch = new Watch([server]);
  const began = performance.now();
  const end = began + seconds * 1000;
  const loop = (phone: Phone) =>
    new Promise<void>((resolve) => {
      const next = (sentAt: number) =>
        phone.ask(method, '', (text) => {
          const now = performance.now();
          if (text?.startsWith('SIP/2.0 200 ')) latency.add(now - sentAt);
          else wrong++;
          if (text === undefined || now >= end) resolve();
          else next(now);
        });
      next(performance.now());
    });
  await Promise.race([Promise.all(phones.map(loop)), tooLong(seconds)]);
  const took = (performance.now() - began) / 1000;
  const [{ cpuMs, rssMb } = { cpuMs: Number.NaN, rssMb: Number.NaN }] = watch.stop();
  return {
    messagesPerSecond: latency.count / took,
    cpuUs: (cpuMs * 1000) / latency.count,
    p99Ms: latency.percentile(0.99),
    rssMb,
    wrong,
  };
}

/** Without it a request that is never answered would end its phone's loop unnoticed. */
function tooLong(seconds: number): Promise<never> {
  return new Promise((_resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('a request was not answered')), (seconds + GRACE_SECONDS) * 1000);
    timer.unref();
  });
}
