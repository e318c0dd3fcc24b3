import { createServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import { temporaryDirectory } from '../../test/support/cleanup.ts';
import { binaryFlag, jsonFlag, type Report, runBenchmark } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';
import { spread } from '../lib/spread.ts';
import { serverListLine } from './peer.ts';

const COMMANDS: readonly { readonly args: readonly string[]; readonly expected: RegExp; readonly targetMs: number }[] =
  [
    { args: ['--version'], expected: /^\d+\.\d+\.\d+\n$/, targetMs: 15 },
    { args: ['fs', 'list'], expected: /^(Feature servers:|No servers configured)\n/, targetMs: 25 },
    { args: ['fs', 'list', '--json'], expected: /^\{"success":true,.*\}\n$/, targetMs: 25 },
  ];
/** Shows the cost of the runtime. */
const EMPTY = 'empty program';

const RUN_DEADLINE_MS = 10_000;

void runBenchmark({
  about: `Measures how long a command takes: whole processes, one after the other, output to a pipe.

  bun bench/cli/index.ts [--smoke]`,
  failsWhen: 'a command fails or prints something unexpected',
  settings,
  run: bench,
});

function settings(flags: Flags) {
  return {
    binary: resolve(binaryFlag(flags)),
    socket: flags.optionalText('socket', {
      value: 'path',
      help: 'admin socket of a running sidecar; without it, the\nbenchmark answers the commands itself',
    }),
    runs: flags.whole('runs', { help: 'of each command, in turn', default: 30, smoke: 3, max: 99_999 }),
    json: jsonFlag(flags),
    smoke: flags.toggle('smoke', '3 runs of each'),
  };
}

async function bench({ binary, socket: given, runs }: ReturnType<typeof settings>): Promise<Report> {
  const directory = temporaryDirectory('bench-cli');
  const socket = given ?? join(directory, 'admin.sock');
  const peer = given === undefined ? await listen(socket) : undefined;
  try {
    return report(await measure(binary, await compileEmpty(directory), socket, runs));
  } finally {
    peer?.close();
  }
}

/** Milliseconds by command. The commands take turns, so that other activity on the machine affects all alike. */
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

function report(times: ReadonlyMap<string, readonly number[]>): Report {
  const rows = [...times].map(([command, all]) => {
    const { median, min, max } = spread(all);
    const targetMs = COMMANDS.find(({ args }) => args.join(' ') === command)?.targetMs ?? null;
    return { command, targetMs, minMs: min, medianMs: median, maxMs: max };
  });
  const line = (name: string, cells: readonly string[]) =>
    `${name.padEnd(20)}${cells.map((cell) => cell.padStart(9)).join('')}`.trimEnd();
  const lines = rows.map(({ command, minMs, medianMs, maxMs, targetMs }) => {
    const cells = [minMs, medianMs, maxMs].map((ms) => ms.toFixed(1));
    return line(command, [...cells, targetMs === null ? '' : `< ${targetMs}`]);
  });
  return {
    figures: { commands: rows },
    text: [line('ms', ['min', 'median', 'max', 'target']), ...lines].join('\n'),
  };
}

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

async function listen(path: string): Promise<Server> {
  const answer = serverListLine(10);
  const server = createServer((socket) => socket.on('data', () => socket.write(answer)));
  await new Promise<void>((done) => server.listen(path, done));
  return server;
}
