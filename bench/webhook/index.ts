import { join } from 'node:path';
import { TestAuthority } from '../../test/support/certificates.ts';
import { binariesFlag } from '../lib/binaries.ts';
import { jsonFlag, runBenchmark } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';
import { machine, Watch } from '../lib/proc.ts';
import { portOf, startServer } from '../lib/server.ts';
import { REALM, type Sidecar, startSidecar } from '../lib/sidecar.ts';
import { Load } from '../register/load.ts';
import { flaw, type Run, summarize, toJson } from '../register/report.ts';
import { paceSettings } from '../register/settings.ts';

const HOOKS = ['http', 'https', 'none'] as const;
type Hook = (typeof HOOKS)[number];

interface Side {
  readonly name: string;
  readonly sidecar: Sidecar;
  readonly load: Load;
  readonly runs: Run[];
}

void runBenchmark({
  about: `Loads compiled sidecars with --embedded, whose account has a webhook, with full registrations in turn.

  bun bench/webhook/index.ts --rate 120 [--hook http] [--binary before=/tmp/sidecar --binary after=dist/sbc-sip-sidecar]`,
  failsWhen: 'no run of a sidecar counts or one does not start',
  settings,
  run,
});

function settings(flags: Flags) {
  return {
    binaries: binariesFlag(flags),
    hooks: flags.choices('hook', HOOKS, {
      value: 'kind',
      help: `repeatable; ${HOOKS.join(', ')}\nnone: the account has clients in place of a webhook`,
    }),
    users: flags.whole('users', { help: 'users of the account', default: 1000, max: 10_000_000 }),
    smoke: flags.toggle('smoke', 'each kind once, for 2 s at 50/s'),
    pace: paceSettings(flags),
    json: jsonFlag(flags),
  };
}

type Settings = ReturnType<typeof settings>;

async function run(settings: Settings): Promise<void> {
  const sides: Side[] = [];
  try {
    await start(settings, sides);
    await measure(settings, sides);
  } finally {
    for (const { load } of sides) load.close();
  }
  for (const { sidecar } of sides) await sidecar.stop();
  print(settings, sides);
  if (sides.some(({ runs }) => runs.every((run) => flaw(run) !== undefined))) process.exitCode = 1;
}

async function measure({ pace }: Settings, sides: readonly Side[]): Promise<void> {
  const { rate, concurrency, seconds } = pace;
  const work = { work: 'full', rate, concurrency } as const;
  // Closed loop: compiles in seconds what a paced load would in minutes.
  if (pace.warmup > 0) for (const { load } of sides) await load.run({ ...work, rate: 0, seconds: pace.warmup });
  for (let n = 0; n < pace.runs; n++)
    for (const { sidecar, load, runs } of sides) {
      const watch = new Watch([{ name: 'sidecar', pid: sidecar.pid }]);
      const counts = await load.run({ ...work, seconds });
      runs.push({ counts, seconds, usage: watch.stop() });
    }
}

/** Starts each of the binaries with each of the hooks, and adds them to `sides`. */
async function start({ binaries, hooks, users, pace }: Settings, sides: Side[]): Promise<void> {
  const authority = new TestAuthority();
  const urls = await startHook(authority);
  const env = { NODE_EXTRA_CA_CERTS: authority.caFile };
  for (const { name, path } of binaries)
    for (const hook of hooks) {
      const webhook = urls[hook];
      const account = webhook === undefined ? { users } : { webhook };
      const sidecar = await startSidecar(path, { listen: ['udp'], env, ...account });
      const load = await Load.open({
        target: { host: '127.0.0.1', port: portOf(sidecar, 'udp') },
        realm: REALM,
        users,
        userPattern: 'user%d',
        passwordPattern: 'secret%d',
        sources: pace.sources,
        expires: 3600,
      });
      sides.push({ name: `${name}, ${hook}`, sidecar, load, runs: [] });
    }
}

/** Starts the customer's web server in a process of its own. @returns its URLs */
async function startHook(authority: TestAuthority): Promise<Record<Hook, string | undefined>> {
  const { certFile, keyFile } = authority.certificate(['localhost'], ['127.0.0.1']);
  const command = [process.execPath, join(import.meta.dir, 'hook.ts'), certFile, keyFile] as const;
  const server = await startServer('webhook', command, /^ready .*$/);
  const [, http, https] = /^ready (\d+) (\d+)$/m.exec(server.process.lines.join('\n')) ?? [];
  return { http: `http://127.0.0.1:${http}/auth`, https: `https://127.0.0.1:${https}/auth`, none: undefined };
}

function print({ json, pace }: Settings, sides: readonly Side[]): void {
  if (json) {
    const targets = sides.map(({ name, runs }) => ({ name, ...toJson(runs) }));
    console.log(JSON.stringify({ machine: machine(), settings: pace, targets }, null, 2));
    return;
  }
  const paced = pace.rate > 0 ? `${pace.rate}/s` : `${pace.concurrency} in flight`;
  console.log(
    `${machine()}\nfull registrations, ${paced}, ${pace.runs} runs of ${pace.seconds} s in turn, median (min–max)\n`,
  );
  console.log('| sidecar, webhook | a second | CPU, ms | p50, ms | p99, ms | RSS max, MB |\n|---|---|---|---|---|---|');
  for (const { name, runs } of sides) {
    const figures = summarize(runs);
    const cell = (figure: string, digits: number) => {
      const { median, min, max } = figures.get(figure) ?? { median: Number.NaN, min: Number.NaN, max: Number.NaN };
      return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
    };
    const cells = [cell('units/s', 0), cell('sidecar CPU ms/unit', 3), cell('latency p50 ms', 1)];
    console.log(`| ${[name, ...cells, cell('latency p99 ms', 1), cell('sidecar RSS max MB', 0)].join(' | ')} |`);
    for (const run of runs) if (flaw(run)) console.log(`${name}: a run does not count: ${flaw(run)}`);
  }
}
