import { reportOf } from '../lib/apart.ts';
import { cpuMs, peakRssMb, rssMb, Watch, type Watched } from '../lib/proc.ts';

export interface ListPlan {
  readonly binary: string;
  readonly socketPath: string;
  readonly sidecar: Watched;
  readonly redis: Watched;
}

export interface ListReport {
  readonly bindings: number;
  readonly firstLineMs: number;
  readonly seconds: number;
  readonly sidecarCpuMs: number;
  readonly redisCpuMs: number;
  readonly sidecarBeforeMb: number;
  readonly sidecarMb: number;
  readonly clientMb: number;
}

/** The script that measures a {@link ListPlan} and reports a {@link ListReport}. */
export const LIST = import.meta.path;

const SAMPLE_MS = 50;
const DEADLINE_MS = 100_000;

if (import.meta.main) await reportOf(list);

/** Runs `reg list --json`. @throws when it fails */
async function list({ binary, socketPath, sidecar, redis }: ListPlan): Promise<ListReport> {
  const [sidecarCpu, redisCpu, sidecarBeforeMb] = [cpuMs(sidecar), cpuMs(redis), rssMb(sidecar)];
  const watch = new Watch([sidecar]);
  const began = performance.now();
  const client = Bun.spawn([binary, 'reg', 'list', '--json'], {
    env: { PATH: process.env.PATH, SBC_SOCKET_PATH: socketPath },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: DEADLINE_MS,
  });
  let clientMb = 0;
  const sampler = setInterval(() => {
    clientMb = Math.max(clientMb, peakMb(client.pid));
  }, SAMPLE_MS);
  let firstLineMs = 0;
  let bindings = 0;
  try {
    for await (const line of linesOf(client.stdout)) {
      if (!line.includes('{"aor":')) continue;
      bindings++;
      firstLineMs ||= performance.now() - began;
    }
    if ((await client.exited) !== 0) throw new Error(`reg list ended with ${client.exitCode ?? client.signalCode}`);
  } finally {
    clearInterval(sampler);
  }
  const seconds = (performance.now() - began) / 1000;
  const [usage] = watch.stop();
  return {
    bindings,
    firstLineMs,
    seconds,
    sidecarCpuMs: cpuMs(sidecar) - sidecarCpu,
    redisCpuMs: cpuMs(redis) - redisCpu,
    sidecarBeforeMb,
    sidecarMb: usage?.rssMb ?? 0,
    clientMb,
  };
}

/** 0 when it has just ended. */
function peakMb(pid: number): number {
  try {
    return peakRssMb({ name: 'reg list', pid });
  } catch {
    return 0;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}
