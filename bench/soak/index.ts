/** Minutes of a busy day: registrations at a steady rate while phones come and go. Nothing may grow. */
import { benchCommand, COMMON_OPTIONS } from '../command.ts';
import { REALM, startSidecar } from '../edge/sidecar.ts';
import { Load } from '../register/load.ts';
import { machine } from '../register/proc.ts';
import { flaw } from '../register/report.ts';
import { Churn } from './churn.ts';
import { medianBetween, Samples, settledHandles } from './samples.ts';

const USAGE = `Loads the compiled sidecar with --embedded for minutes and looks whether handles, memory, data or
the transaction tables grow.

  bun bench/soak/index.ts [--minutes 5] [--rate 1000]

  --binary <path>   the sidecar                                                    dist/sbc-sip-sidecar
  --minutes <n>     how long                                                       5
  --rate <n>        full registrations a second, over UDP from 50 sockets          1000
  --churn <n>       phones a second that come, register and go, on each of UDP, TCP and WS, each on a
                    socket or connection of its own                                20
  --users <n>       who registers at the rate                                      2000
  --json            the report as JSON
  --smoke           4 s at 100/s; memory is not judged
  --help            this text

Exit code: 0, 1 when something has grown, failed or was not answered, 2 for a wrong command line.`;

const SAMPLE_MS = 500;
/** The edge remembers what it answered for 32 s: memory is steady no earlier, and is judged from there on. */
const STEADY_AFTER_S = 40;
/** How long until the last of these transactions has ended. */
const FORGOTTEN_MS = 36_000;
/** What memory may grow between two stretches of the same load before we call it growth: the collector's own waves. */
const TOLERATED_GROWTH = 1.2;
const CHURN_USERS = 600;
const PROTOCOLS = ['udp', 'tcp', 'ws'] as const;

const OPTIONS = {
  ...COMMON_OPTIONS,
  minutes: { type: 'string', default: '5' },
  rate: { type: 'string' },
  churn: { type: 'string', default: '20' },
  users: { type: 'string', default: '2000' },
} as const;

void benchCommand(
  USAGE,
  OPTIONS,
  ({ binary, json, smoke, ...values }) => {
    const number = (name: string, text: string) => {
      const value = Number(text);
      if (text !== '' && value > 0 && value <= 1_000_000) return value;
      throw new Error(`--${name} ${text}: a number over 0`);
    };
    return {
      ...{ binary, json, smoke },
      seconds: smoke ? 4 : number('minutes', values.minutes) * 60,
      rate: number('rate', values.rate ?? (smoke ? '100' : '1000')),
      users: Math.ceil(number('users', values.users)),
      churn: number('churn', values.churn),
    };
  },
  soak,
);

interface Settings {
  readonly binary: string;
  readonly json: boolean;
  readonly smoke: boolean;
  readonly seconds: number;
  readonly rate: number;
  readonly users: number;
  readonly churn: number;
}

async function soak(settings: Settings): Promise<void> {
  const { binary, seconds, rate, users, churn: churnRate } = settings;
  const sidecar = await startSidecar(binary, PROTOCOLS, { users: users + CHURN_USERS });
  const load = await Load.open({
    ...{ target: { host: '127.0.0.1', port: sidecar.ports.udp ?? 0 }, realm: REALM, users, sources: 50, expires: 3600 },
    ...{ userPattern: 'user%d', passwordPattern: 'secret%d' },
  });
  const churn = new Churn(sidecar.ports, { first: users + 1, count: CHURN_USERS });
  // Files that are opened when first needed are not what leaks.
  await load.run({ work: 'full', rate: 50, concurrency: 1, seconds: 1 });
  await churn.run(5, 1);
  const before = await settledHandles(sidecar.pid);

  const samples = new Samples(sidecar, SAMPLE_MS);
  const [counts] = await Promise.all([
    load.run({ work: 'full', rate, concurrency: 1, seconds }),
    churn.run(churnRate, seconds),
  ]);
  await samples.stop();
  const after = await settledHandles(sidecar.pid);
  if (!settings.smoke) await Bun.sleep(FORGOTTEN_MS);
  const { connections, serverTransactions, clientTransactions } = await sidecar.holding();
  const left = { connections, serverTransactions, clientTransactions };
  load.close();
  const complaints = sidecar.process.lines.filter((line) => /"level":"(error|fatal)"/.test(line));
  await sidecar.stop();

  const { all } = samples;
  const fifth = (seconds - STEADY_AFTER_S) / 5;
  const early = medianBetween(all, 'rssMb', STEADY_AFTER_S, STEADY_AFTER_S + fifth);
  const late = medianBetween(all, 'rssMb', seconds - fifth, seconds);
  const faults = [
    ...[flaw({ counts, seconds, usage: [] })].filter((f) => f !== undefined),
    ...(churn.failed > 0 ? [`${churn.failed} phones failed: ${[...churn.failures].join('; ')}`] : []),
    ...(churn.skipped > 0 ? [`${churn.skipped} phones were not begun: the machine cannot keep up`] : []),
    ...(after > before ? [`${after} handles at the end, ${before} at the beginning`] : []),
    ...(connections > 0 ? [`${connections} connections are still counted`] : []),
    ...(!settings.smoke && serverTransactions + clientTransactions > 0 ? ['transactions have not ended'] : []),
    ...(late > early * TOLERATED_GROWTH ? [`memory grew from ${early.toFixed(0)} to ${late.toFixed(0)} MB`] : []),
    ...complaints.map((line) => `the sidecar logged: ${line}`),
  ];
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
    handles: { before, most: Math.max(...all.map((s) => s.handles)), after },
    left,
    transactions: { most: Math.max(...all.map((s) => s.transactions)) },
    rssMb: { early, late, most: Math.max(...all.map((s) => s.rssMb)) },
    perMinute: minutes(seconds).map((from) => ({
      minute: from / 60 + 1,
      rssMb: medianBetween(all, 'rssMb', from, from + 60),
      handles: medianBetween(all, 'handles', from, from + 60),
      transactions: medianBetween(all, 'transactions', from, from + 60),
      dataMb: medianBetween(all, 'dataMb', from, from + 60),
    })),
  };
  if (faults.length > 0) process.exitCode = 1;
  if (settings.json) console.log(JSON.stringify({ machine: machine(), settings, figures, faults }, null, 2));
  else print(settings, figures, faults);
}

function print({ rate, churn }: Settings, figures: Readonly<Record<string, unknown>>, faults: readonly string[]): void {
  console.log(`${machine()}\n${rate} registrations/s, ${churn}/s phones on each of ${PROTOCOLS.join(', ')}\n`);
  const { perMinute, ...rest } = figures;
  for (const [name, value] of Object.entries(rest)) console.log(`${name.padEnd(22)} ${JSON.stringify(rounded(value))}`);
  if (Array.isArray(perMinute)) console.table(perMinute.map(rounded));
  for (const fault of faults) console.log(`failed: ${fault}`);
  console.log(faults.length === 0 ? 'nothing grew, nothing failed' : `${faults.length} failed`);
}

/** Numbers with one digit after the point, at any depth. */
function rounded(value: unknown): unknown {
  if (typeof value === 'number') return Math.round(value * 10) / 10;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, rounded(inner)]));
}

function minutes(seconds: number): number[] {
  return Array.from({ length: Math.ceil(seconds / 60) }, (_, i) => i * 60);
}
