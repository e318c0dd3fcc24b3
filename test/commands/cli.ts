import { sidecarBinary } from '../support/binary.ts';
import { onCleanup } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { type SpawnedProcess, spawnProcess } from '../support/process.ts';

const END_DEADLINE_MS = 30_000;

/** Starts the compiled binary as a client of this socket. */
export async function start(socket: string, args: readonly string[], env: Record<string, string> = {}) {
  return keep(spawnProcess(await sidecarBinary(), args, { env: { SBC_SOCKET_PATH: socket, ...env } }));
}

/** The same on a terminal: what is printed is then what the terminal gets, stderr included. */
export async function startOnTerminal(socket: string, args: readonly string[], env: Record<string, string> = {}) {
  // Without a shell between, the only child of script is the command.
  const command = ['exec', await sidecarBinary(), ...args].join(' ');
  const options = { env: { SBC_SOCKET_PATH: socket, TERM: 'xterm', ...env } };
  return keep(spawnProcess('script', ['-qec', command, '/dev/null'], options));
}

export async function ended(process: SpawnedProcess) {
  const { code } = await within(process.exited, END_DEADLINE_MS, 'end of the command');
  return { code, stdout: process.stdout.join('\n'), stderr: process.stderr.join('\n') };
}

export async function run(socket: string, args: readonly string[], env: Record<string, string> = {}) {
  return ended(await start(socket, args, env));
}

export async function runOnTerminal(socket: string, args: readonly string[], env: Record<string, string> = {}) {
  return ended(await startOnTerminal(socket, args, env));
}

function keep(process: SpawnedProcess): SpawnedProcess {
  onCleanup(() => process.kill('SIGKILL'));
  return process;
}
