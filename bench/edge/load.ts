import { Latency } from '../register/counts.ts';
import { type Usage, Watch } from '../register/proc.ts';
import type { Phone } from './phone.ts';
import type { Server } from './sidecar.ts';

export type Work = 'options' | 'refresh';

/** What came of one run. */
export interface Run {
  readonly messagesPerSecond: number;
  /** CPU of the server for a request and its answer, µs. */
  readonly cpuUs: number;
  readonly p99Ms: number;
  readonly rssMb: number;
  /** Answers that were no 200, and requests that the end of a connection left without one. */
  readonly wrong: number;
}

/** Every phone sends its next request when the last one is answered, for that long. */
export async function run(server: Server, phones: readonly Phone[], work: Work, seconds: number): Promise<Run> {
  const method = work === 'options' ? 'OPTIONS' : 'REGISTER';
  const latency = new Latency();
  let answers = 0;
  let wrong = 0;
  const watch = new Watch([server]);
  const began = performance.now();
  const end = began + seconds * 1000;
  const loop = (phone: Phone) =>
    new Promise<void>((resolve) => {
      const next = (sentAt: number) =>
        phone.ask(method, '', (text) => {
          const now = performance.now();
          if (text?.startsWith('SIP/2.0 200 ')) {
            answers++;
            latency.add(now - sentAt);
          } else wrong++;
          if (text === undefined || now >= end) resolve();
          else next(now);
        });
      next(performance.now());
    });
  await Promise.race([Promise.all(phones.map(loop)), tooLong(seconds)]);
  const took = (performance.now() - began) / 1000;
  const usage = usageOf(watch.stop(), server.name);
  return {
    messagesPerSecond: answers / took,
    cpuUs: (usage.cpuMs * 1000) / answers,
    p99Ms: latency.percentile(0.99),
    rssMb: usage.rssMb,
    wrong,
  };
}

/** A lost datagram would end its phone's loop and nobody would notice. */
const GRACE_SECONDS = 10;

function tooLong(seconds: number): Promise<never> {
  return new Promise((_resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('a request was not answered')), (seconds + GRACE_SECONDS) * 1000);
    timer.unref();
  });
}

function usageOf(usages: readonly Usage[], name: string): Usage {
  const usage = usages.find((u) => u.name === name);
  if (!usage) throw new Error(`${name} was not watched`);
  return usage;
}
