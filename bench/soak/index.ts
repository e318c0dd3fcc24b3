import { binaryFlag, jsonFlag, type Report, runBenchmark } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';
import { settledHandles } from '../lib/proc.ts';
import { Sampler } from '../lib/sampler.ts';
import { portOf } from '../lib/server.ts';
import { edgeStatus, startSidecar } from '../lib/sidecar.ts';
import { flaw } from '../register/report.ts';
import { openPhones } from '../register/turns.ts';
import { Churn } from './churn.ts';
import { medianBetween, sample } from './samples.ts';

const SAMPLE_MS = 500;
/** The edge keeps answered transactions for 32 s, so memory is steady no earlier. */
const STEADY_AFTER_S = 40;
const FORGOTTEN_MS = 36_000;
/** Allowance for the garbage collector between two stretches of the same load. */
const TOLERATED_GROWTH = 1.2;
const CHURN_USERS = 600;
const PROTOCOLS = ['udp', 'tcp', 'ws'] as const;

void runBenchmark({
  about: `Loads the compiled sidecar with --embedded for minutes and checks that handles, memory and the transaction
tables do not grow.

  bun bench/soak/index.ts [--minutes 5] [--rate 1000]`,
  failsWhen: 'something has grown, failed or was not answered',
  settings,
  run: soak,
});

function settings(flags: Flags) {
  return {
    binary: binaryFlag(flags),
    seconds: flags.number('minutes', { help: 'length', default: 5, smoke: 4 / 60 }) * 60,
    rate: flags.number('rate', {
      help: 'full registrations a second, over UDP from 50 sockets',
      default: 1000,
      smoke: 100,
    }),
    churn: flags.number('churn', {
      help: `phones a second that open a socket or connection, register and leave, on each of
${PROTOCOLS.join(', ')}`,
      default: 20,
    }),
    users: flags.whole('users', { help: 'users that register at the rate', default: 2000 }),
    json: jsonFlag(flags),
    smoke: flags.toggle('smoke', '4 s at 100/s; memory is not judged'),
  };
}

type Settings = ReturnType<typeof settings>;

async function soak(settings: Settings): Promise<Report> {
  const { binary, seconds, rate, users, churn: churnRate } = settings;
  const sidecar = await startSidecar(binary, {
    listen: PROTOCOLS,
    users: users + CHURN_USERS,
    env: { JAMBONES_LOGLEVEL: 'error' },
  });
  const load = await openPhones({ host: '127.0.0.1', port: portOf(sidecar, 'udp') }, users);
  const churn = new Churn(sidecar, PROTOCOLS, { first: users + 1, count: CHURN_USERS });
  // Opens the files that the sidecar opens on first use.
  await load.run({ work: 'full', rate: 50, concurrency: 1, seconds: 1 });
  await churn.run(5, 1);
  const before = await settledHandles(sidecar);

  const sampler = new Sampler(SAMPLE_MS, () => sample(sidecar));
  const [counts] = await Promise.all([
    load.run({ work: 'full', rate, concurrency: 1, seconds }),
    churn.run(churnRate, seconds),
  ]);
  await sampler.stop();
  const after = await settledHandles(sidecar);
  if (!settings.smoke) await Bun.sleep(FORGOTTEN_MS);
  const { connections, serverTransactions, clientTransactions } = await edgeStatus(sidecar);
  const left = { connections, serverTransactions, clientTransactions };
  load.close();
  await sidecar.stop();

  const { readings, values } = sampler;
  const fifth = (seconds - STEADY_AFTER_S) / 5;
  const early = medianBetween(readings, 'rssMb', STEADY_AFTER_S, STEADY_AFTER_S + fifth);
  const late = medianBetween(readings, 'rssMb', seconds - fifth, seconds);
  const faults = sidecar.complaints().map((line) => `the sidecar logged: ${line}`);
  const flawed = flaw({ counts, seconds, usage: [] });
  if (flawed !== undefined) faults.push(flawed);
  if (churn.failed > 0) faults.push(`${churn.failed} phones failed: ${[...churn.failures].join('; ')}`);
  if (churn.skipped > 0) faults.push(`${churn.skipped} phones were not begun: the machine cannot keep up`);
  if (after > before) faults.push(`${after} handles at the end, ${before} at the beginning`);
  if (connections > 0) faults.push(`${connections} connections are still counted`);
  if (!settings.smoke && serverTransactions + clientTransactions > 0) faults.push('transactions have not ended');
  if (late > early * TOLERATED_GROWTH) faults.push(`memory grew from ${early.toFixed(0)} to ${late.toFixed(0)} MB`);
  const figures = {
    seconds,
    registrations: counts.done,
    perSecond: counts.doneInTime / seconds,
    unanswered: counts.unanswered,
    wrong: counts.wrong,
    retransmissions: counts.retransmissions,
    stray: counts.stray,
    p50Ms: counts.latency.percentile(0.5),
    p99Ms: counts.latency.percentile(0.99),
    phonesThatCameAndWent: churn.done,
    handles: { before, most: Math.max(...values.map((s) => s.handles)), after },
    left,
    transactions: { most: Math.max(...values.map((s) => s.transactions)) },
    rssMb: { early, late, most: Math.max(...values.map((s) => s.rssMb)) },
    perMinute: minutes(seconds).map((from) => ({
      minute: from / 60 + 1,
      rssMb: medianBetween(readings, 'rssMb', from, from + 60),
      handles: medianBetween(readings, 'handles', from, from + 60),
      transactions: medianBetween(readings, 'transactions', from, from + 60),
      dataMb: medianBetween(readings, 'dataMb', from, from + 60),
    })),
  };
  const verdict = faults.length === 0 ? 'nothing grew, nothing failed' : `${faults.length} failed`;
  return { figures: { settings, figures }, text: `${textOf(settings, figures)}\n${verdict}`, faults };
}

function textOf({ rate, churn }: Settings, figures: Readonly<Record<string, unknown>>): string {
  const { perMinute, ...rest } = figures;
  const minutes = Array.isArray(perMinute) ? perMinute.map(rounded) : [];
  return [
    `${rate} registrations/s, ${churn}/s phones on each of ${PROTOCOLS.join(', ')}\n`,
    ...Object.entries(rest).map(([name, value]) => `${name.padEnd(22)} ${JSON.stringify(rounded(value))}`),
    ...minutes.map((minute) => JSON.stringify(minute)),
  ].join('\n');
}

function rounded(value: unknown): unknown {
  if (typeof value === 'number') return Math.round(value * 10) / 10;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, rounded(inner)]));
}

function minutes(seconds: number): number[] {
  return Array.from({ length: Math.ceil(seconds / 60) }, (_, i) => i * 60);
}
