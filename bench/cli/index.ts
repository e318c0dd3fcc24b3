/** Measures whole processes of the compiled binary, from their start to their exit. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { benchCommand, COMMON_OPTIONS } from '../command.ts';
import { machine } from '../register/proc.ts';
import { serverListLine } from './peer.ts';

const USAGE = `Measures how long a command takes: whole processes, one after the other, output to a pipe.

  bun bench/cli/index.ts [--smoke]

  --binary <path>   the sidecar                                                  dist/sbc-sip-sidecar
  --socket <path>   admin socket of a sidecar that runs; without it, an answering socket of our own
  --runs <n>        of each command, in turn                                     30
  --json            the report as JSON
  --smoke           3 runs of each
  --help            this text

Exit code: 0, 1 when a command fails or prints something else than expected, 2 for a wrong command line.`;

/** What is measured, and what its output has to look like. The empty program shows what the runtime itself takes. */
const COMMANDS: readonly { readonly args: readonly string[]; readonly expected: RegExp; readonly targetMs: number }[] =
  [
    { args: ['--version'], expected: /^\d+\.\d+\.\d+\n$/, targetMs: 15 },
    { args: ['fs', 'list'], expected: /^(Feature servers:|No servers configured)\n/, targetMs: 25 },
    { args: ['fs', 'list', '--json'], expected: /^\{"success":true,.*\}\n$/, targetMs: 25 },
  ];
const EMPTY = 'empty program';

/** Far more than any command takes that is well. */
const RUN_DEADLINE_MS = 10_000;

const OPTIONS = { ...COMMON_OPTIONS, socket: { type: 'string' }, runs: { type: 'string', default: '30' } } as const;

void benchCommand(
  USAGE,
  OPTIONS,
  ({ binary, json, smoke, socket, runs }) => {
    if (!/^[1-9]\d{0,4}$/.test(runs)) throw new Error(`--runs ${runs}: must be a whole number over 0`);
    return { binary: resolve(binary), json, socket, runs: smoke ? 3 : Number(runs) };
  },
  bench,
);

interface Settings {
  readonly binary: string;
  readonly json: boolean;
  /** Of a sidecar that is there; undefined: of one that only answers. */
  readonly socket: string | undefined;
  readonly runs: number;
}

async function bench({ binary, json, socket: given, runs }: Settings): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'sidecar-bench-cli-'));
  const socket = given ?? join(directory, 'admin.sock');
  const peer = given === undefined ? await listen(socket) : undefined;
  try {
    report(await measure(binary, await compileEmpty(directory), socket, runs), json);
  } finally {
    peer?.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Milliseconds by command. The commands take turns, so that what the machine does meanwhile hits all alike. */
async function measure(binary: string, empty: string, socket: string, runs: number): Promise<Map<string, number[]>> {
  const times = new Map<string, number[]>();
  const add = (name: string, ms: number) => times.set(name, [...(times.get(name) ?? []), ms]);
  for (let run = 0; run < runs; run++) {
    add(EMPTY, await once(empty, [], socket, /^$/));
    for (const { args, expected } of COMMANDS) add(args.join(' '), await once(binary, args, socket, expected));
  }
  return times;
}

async function once(binary: string, args: readonly string[], socket: string, expected: RegExp): Promise<number> {
  const began = performance.now();
  const child = Bun.spawn([binary, ...args], {
    env: { ...process.env, SBC_SOCKET_PATH: socket },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_DEADLINE_MS,
  });
  const [out, error, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const ms = performance.now() - began;
  if (code === 0 && error === '' && expected.test(out)) return ms;
  throw new Error(`${[binary, ...args].join(' ')} ended with ${code} and printed:\n${out}${error}`);
}

function report(times: ReadonlyMap<string, readonly number[]>, json: boolean): void {
  const rows = [...times].map(([command, all]) => {
    const sorted = all.toSorted((a, b) => a - b);
    const middle = (sorted.length - 1) / 2;
    const median = ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
    const targetMs = COMMANDS.find(({ args }) => args.join(' ') === command)?.targetMs ?? null;
    return { command, targetMs, minMs: sorted[0] ?? 0, medianMs: median, maxMs: sorted.at(-1) ?? 0 };
  });
  if (json) {
    console.log(JSON.stringify({ machine: machine(), commands: rows }));
    return;
  }
  console.log(`${machine()}\n`);
  console.log(`${'ms'.padEnd(20)}${['min', 'median', 'max', 'target'].map((head) => head.padStart(9)).join('')}`);
  for (const { command, minMs, medianMs, maxMs, targetMs } of rows) {
    const cells = [...[minMs, medianMs, maxMs].map((ms) => ms.toFixed(1)), targetMs === null ? '' : `< ${targetMs}`];
    console.log(`${command.padEnd(20)}${cells.map((cell) => cell.padStart(9)).join('')}`.trimEnd());
  }
}

/** A program that does nothing, compiled as the sidecar is. */
async function compileEmpty(directory: string): Promise<string> {
  const source = join(directory, 'empty.ts');
  const outfile = join(directory, 'empty');
  await Bun.write(source, '');
  const flags = [
    '--compile',
    '--bytecode',
    '--format=esm',
    '--no-compile-autoload-dotenv',
    '--no-compile-autoload-bunfig',
  ];
  const build = Bun.spawn([process.execPath, 'build', ...flags, source, '--outfile', outfile], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if ((await build.exited) !== 0) throw new Error(`cannot compile an empty program:\n${await build.stderr.text()}`);
  return outfile;
}

/** Answers every line with a list of ten feature servers. */
async function listen(path: string): Promise<Server> {
  const answer = serverListLine(10);
  const server = createServer((socket) => socket.on('data', () => socket.write(answer)));
  await new Promise<void>((done) => server.listen(path, done));
  return server;
}
