/** What a message costs on each transport: the sidecar beside the edge with handlers that only answer 200, A B A B. */
import { readFileSync } from 'node:fs';
import { TestAuthority } from '../../test/support/certificates.ts';
import { benchCommand, COMMON_OPTIONS } from '../command.ts';
import { machine } from '../register/proc.ts';
import { PROTOCOLS, type Protocol } from './client.ts';
import { type Run, run, type Work } from './load.ts';
import { Phone } from './phone.ts';
import { type Server, startBare, startSidecar } from './sidecar.ts';

const USAGE = `Loads the compiled sidecar with --embedded, and in turn the same edge with handlers that only answer 200, closed loop.

  bun bench/edge/index.ts [--transport udp] [--work options] [--smoke]

  --binary <path>       the sidecar                                     dist/sbc-sip-sidecar
  --transport <name>    repeatable; udp, tcp, tls, ws, wss              all
  --work <kind>         repeatable; options   OPTIONS, 200
                                    refresh   REGISTER of a registered Contact again, 200   both
  --connections <n>     phones, each with one request in flight         50
  --runs <n>            of each side, in turn                           5
  --seconds <s>         length of a run                                 3
  --warmup <s>          before the first run of each side               2
  --json                the report as JSON
  --smoke               one run of 0.3 s each, 10 phones
  --help                this text

Exit code: 0, 1 when a request is answered with anything but 200 or not at all, 2 for a wrong command line.`;

const WORKS: readonly Work[] = ['options', 'refresh'];

interface Row {
  readonly transport: Protocol;
  readonly work: Work;
  readonly side: string;
  readonly runs: readonly Run[];
}

interface Settings {
  readonly binary: string;
  readonly json: boolean;
  readonly transports: readonly Protocol[];
  readonly works: readonly Work[];
  readonly connections: number;
  readonly runs: number;
  readonly seconds: number;
  readonly warmup: number;
}

const OPTIONS = {
  ...COMMON_OPTIONS,
  transport: { type: 'string', multiple: true },
  work: { type: 'string', multiple: true },
  connections: { type: 'string' },
  runs: { type: 'string' },
  seconds: { type: 'string' },
  warmup: { type: 'string' },
} as const;

await benchCommand(
  USAGE,
  OPTIONS,
  ({ binary, json, smoke, ...values }) => {
    const number = (name: 'runs' | 'seconds' | 'warmup' | 'connections', usual: number) => {
      const value = Number(values[name] ?? usual);
      if (values[name] !== '' && value > 0 && value <= 10_000) return value;
      throw new Error(`--${name} ${values[name]}: a number over 0`);
    };
    return {
      ...{ binary, json },
      transports: (values.transport ?? PROTOCOLS).map((name) => oneOf('transport', PROTOCOLS, name)),
      works: (values.work ?? WORKS).map((name) => oneOf('work', WORKS, name)),
      connections: Math.ceil(number('connections', smoke ? 10 : 50)),
      runs: Math.ceil(number('runs', smoke ? 1 : 5)),
      seconds: number('seconds', smoke ? 0.3 : 3),
      warmup: number('warmup', smoke ? 0.1 : 2),
    };
  },
  measure,
);
// drachtio-srf and idle connections would keep us; everything that was to be said has been.
process.exit();

function oneOf<T extends string>(flag: string, known: readonly T[], name: string): T {
  const found = known.find((k) => k === name);
  if (found === undefined) throw new Error(`--${flag} ${name}: one of ${known.join(', ')}`);
  return found;
}

async function measure(settings: Settings): Promise<void> {
  const { binary, transports, works, connections } = settings;
  const authority = new TestAuthority();
  const tls = authority.certificate(['localhost'], ['127.0.0.1']);
  const ca = readFileSync(authority.caFile, 'utf8');
  const sides = [await startSidecar(binary, PROTOCOLS, { users: connections, tls }), await startBare(PROTOCOLS, tls)];
  const rows: Row[] = [];
  for (const transport of transports) {
    const phones = await Promise.all(sides.map((side) => registered(side, transport, connections, ca)));
    for (const work of works) rows.push(...(await compare(sides, phones, transport, work, settings)));
    for (const phone of phones.flat()) phone.close();
  }
  for (const side of sides) await side.stop();
  if (rows.some(({ runs }) => runs.some(({ wrong }) => wrong > 0))) process.exitCode = 1;
  print(rows, settings);
}

async function registered(side: Server, transport: Protocol, count: number, ca: string): Promise<Phone[]> {
  const port = side.ports[transport];
  if (port === undefined) throw new Error(`${side.name} does not listen on ${transport}`);
  const phones: Phone[] = [];
  for (let user = 1; user <= count; user++) {
    const phone = await Phone.open(transport, port, user, ca);
    await phone.register();
    phones.push(phone);
  }
  return phones;
}

async function compare(
  sides: readonly Server[],
  phones: readonly (readonly Phone[])[],
  transport: Protocol,
  work: Work,
  { runs, seconds, warmup }: { runs: number; seconds: number; warmup: number },
): Promise<Row[]> {
  const results = sides.map((): Run[] => []);
  for (const [i, side] of sides.entries()) await run(side, phones[i] ?? [], work, warmup);
  for (let n = 0; n < runs; n++)
    for (const [i, side] of sides.entries()) results[i]?.push(await run(side, phones[i] ?? [], work, seconds));
  return sides.map((side, i) => ({ transport, work, side: side.name, runs: results[i] ?? [] }));
}

function print(rows: readonly Row[], { json, runs, seconds, warmup, connections }: Settings) {
  const about = `${machine()}, drachtio-srf ${drachtioVersion()}`;
  if (json) {
    const settings = { runs, seconds, warmup, connections };
    console.log(
      JSON.stringify(
        { machine: about, settings, rows: rows.map((r) => ({ ...r, summary: summary(r.runs) })) },
        null,
        2,
      ),
    );
    return;
  }
  console.log(`${about}\n${connections} phones, closed loop, ${runs} runs of ${seconds} s, median (min–max)\n`);
  console.log(
    '| transport | work | side | messages/s | CPU per message | × bare | p99 | RSS max |\n|---|---|---|---|---|---|---|---|',
  );
  for (const row of rows) {
    const { messagesPerSecond, cpuUs, p99Ms, rssMb } = summary(row.runs);
    const bare = rows.find(
      (r) => r.transport === row.transport && r.work === row.work && r !== row && r.side !== 'sidecar',
    );
    const ratio = bare ? (cpuUs.median / summary(bare.runs).cpuUs.median).toFixed(2) : '1';
    const cells = [row.transport, row.work, row.side, spread(messagesPerSecond), `${spread(cpuUs)} µs`, ratio];
    console.log(`| ${[...cells, `${p99Ms.median.toFixed(1)} ms`, `${rssMb.max.toFixed(0)} MB`].join(' | ')} |`);
  }
  const wrong = rows.flatMap((r) => r.runs).reduce((sum, r) => sum + r.wrong, 0);
  console.log(`\nanswers that were no 200, or missing: ${wrong}`);
}

function summary(runs: readonly Run[]) {
  const over = (figure: (run: Run) => number) => {
    const sorted = runs.map(figure).sort((a, b) => a - b);
    const [min = Number.NaN, max = Number.NaN] = [sorted[0], sorted[sorted.length - 1]];
    const [low = min, high = max] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
    return { median: (low + high) / 2, min, max };
  };
  return {
    messagesPerSecond: over((r) => r.messagesPerSecond),
    cpuUs: over((r) => r.cpuUs),
    p99Ms: over((r) => r.p99Ms),
    rssMb: over((r) => r.rssMb),
  };
}

function spread({ median, min, max }: { median: number; min: number; max: number }): string {
  return `${median.toFixed(0)} (${min.toFixed(0)}–${max.toFixed(0)})`;
}

function drachtioVersion(): string {
  return require('drachtio-srf/package.json').version;
}
