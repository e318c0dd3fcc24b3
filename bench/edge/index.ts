import { readFileSync } from 'node:fs';
import { TestAuthority } from '../../test/support/certificates.ts';
import { PROTOCOLS, type Protocol } from '../lib/client.ts';
import { binaryFlag, jsonFlag, type Report, runBenchmark } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';
import { Phone } from '../lib/phone.ts';
import { portOf, type Server } from '../lib/server.ts';
import { startSidecar } from '../lib/sidecar.ts';
import { type Spread, spread } from '../lib/spread.ts';
import { startBareEdge } from '../sides/bare.ts';
import { type Run, run, WORKS, type Work } from './load.ts';

interface Row {
  readonly transport: Protocol;
  readonly work: Work;
  readonly side: string;
  readonly runs: readonly Run[];
}

void runBenchmark({
  about: `Loads the compiled sidecar with --embedded, and in turn the edge with handlers that only answer 200, closed loop.

  bun bench/edge/index.ts [--transport udp] [--work options] [--smoke]`,
  failsWhen: 'a request is answered with anything but 200 or not at all',
  settings,
  run: measure,
});

function settings(flags: Flags) {
  return {
    binary: binaryFlag(flags),
    transports: flags.choices('transport', PROTOCOLS, { value: 'name', help: `repeatable; ${PROTOCOLS.join(', ')}` }),
    works: flags.choices('work', WORKS, {
      value: 'kind',
      help: 'repeatable; options   OPTIONS, 200\n            refresh   REGISTER of a registered Contact again, 200',
    }),
    connections: flags.whole('connections', {
      help: 'phones, each with one request in flight',
      default: 50,
      smoke: 10,
      max: 10_000,
    }),
    runs: flags.whole('runs', { help: 'of each side, in turn', default: 5, smoke: 1, max: 10_000 }),
    seconds: flags.number('seconds', { value: 's', help: 'length of a run', default: 3, smoke: 0.3, max: 10_000 }),
    warmup: flags.number('warmup', {
      value: 's',
      help: 'before the first run of each side',
      default: 2,
      smoke: 0.1,
      max: 10_000,
    }),
    json: jsonFlag(flags),
    smoke: flags.toggle('smoke', 'one run of 0.3 s each, 10 phones'),
  };
}

type Settings = ReturnType<typeof settings>;

async function measure(settings: Settings): Promise<Report> {
  const { binary, transports, works, connections } = settings;
  const authority = new TestAuthority();
  const tls = authority.certificate(['localhost'], ['127.0.0.1']);
  const ca = readFileSync(authority.caFile, 'utf8');
  const env = { JAMBONES_LOGLEVEL: 'error' };
  const sidecar = await startSidecar(binary, { listen: PROTOCOLS, users: connections, tls, env });
  const sides = [sidecar, await startBareEdge(tls)];
  const rows: Row[] = [];
  for (const transport of transports) {
    const phones = await Promise.all(sides.map((side) => registered(side, transport, connections, ca)));
    for (const work of works) rows.push(...(await compare(sides, phones, transport, work, settings)));
    for (const phone of phones.flat()) phone.close();
  }
  for (const side of sides) await side.stop();
  return report(rows, settings);
}

async function registered(side: Server, transport: Protocol, count: number, ca: string): Promise<Phone[]> {
  const port = portOf(side, transport);
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
  { runs, seconds, warmup }: Settings,
): Promise<Row[]> {
  const results = sides.map((): Run[] => []);
  for (const [i, side] of sides.entries()) await run(side, phones[i] ?? [], work, warmup);
  for (let n = 0; n < runs; n++)
    for (const [i, side] of sides.entries()) results[i]?.push(await run(side, phones[i] ?? [], work, seconds));
  return sides.map((side, i) => ({ transport, work, side: side.name, runs: results[i] ?? [] }));
}

function report(rows: readonly Row[], { runs, seconds, warmup, connections }: Settings): Report {
  const wrong = rows.flatMap((row) => row.runs).reduce((sum, run) => sum + run.wrong, 0);
  return {
    figures: {
      settings: { runs, seconds, warmup, connections },
      rows: rows.map((row) => ({ ...row, summary: summary(row.runs) })),
    },
    text: [
      `${connections} phones, closed loop, ${runs} runs of ${seconds} s, median (min–max)\n`,
      '| transport | work | side | messages/s | CPU per message | × bare | p99 | RSS max |',
      '|---|---|---|---|---|---|---|---|',
      ...rows.map((row) => lineOf(row, rows)),
      `\nanswers that were no 200, or missing: ${wrong}`,
    ].join('\n'),
    faults: wrong > 0 ? [`${wrong} answers were no 200, or missing`] : [],
  };
}

function lineOf(row: Row, rows: readonly Row[]): string {
  const { transport, work, side } = row;
  const { messagesPerSecond, cpuUs, p99Ms, rssMb } = summary(row.runs);
  const bare = rows.find((r) => r.transport === transport && r.work === work && r !== row && r.side !== 'sidecar');
  const ratio = bare ? (cpuUs.median / summary(bare.runs).cpuUs.median).toFixed(2) : '1';
  const cells = [transport, work, side, whole(messagesPerSecond), `${whole(cpuUs)} µs`, ratio];
  return `| ${[...cells, `${p99Ms.median.toFixed(1)} ms`, `${rssMb.max.toFixed(0)} MB`].join(' | ')} |`;
}

function summary(runs: readonly Run[]) {
  const over = (figure: (run: Run) => number) => spread(runs.map(figure));
  return {
    messagesPerSecond: over((r) => r.messagesPerSecond),
    cpuUs: over((r) => r.cpuUs),
    p99Ms: over((r) => r.p99Ms),
    rssMb: over((r) => r.rssMb),
  };
}

function whole({ median, min, max }: Spread): string {
  return `${median.toFixed(0)} (${min.toFixed(0)}–${max.toFixed(0)})`;
}
