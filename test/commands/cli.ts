import { sidecarBinary } from '../support/binary.ts';
import { onCleanup } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { type SpawnedProcess, spawnProcess } from '../support/process.ts';

const END_DEADLINE_MS = 30_000;

/** Starts the compiled binary with this admin socket. */
export async function start(socket: string, args: readonly string[], env: Record<string, string> = {}) {
  return killAtEnd(spawnProcess(await sidecarBinary(), args, { env: { SBC_SOCKET_PATH: socket, ...env } }));
}

/**
 * {@link start} on a terminal: stdout is all output of the terminal, stderr included.
 * @param columns its width; 0, which a command takes for unknown, unless given
 */
export async function startOnTerminal(
  socket: string,
  args: readonly string[],
  env: Record<string, string> = {},
  columns = 0,
) {
  // exec makes the command the only child of script.
  const shellCommand = [`stty cols ${columns}; exec`, await sidecarBinary(), ...args].join(' ');
  const options = { env: { SBC_SOCKET_PATH: socket, TERM: 'xterm', ...env } };
  return killAtEnd(spawnProcess('script', ['-qec', shellCommand, '/dev/null'], options));
}

export async function ended(command: SpawnedProcess) {
  const { code } = await within(command.exited, END_DEADLINE_MS, 'end of the command');
  return { code, stdout: command.stdout.join('\n'), stderr: command.stderr.join('\n') };
}

export async function run(socket: string, args: readonly string[], env: Record<string, string> = {}) {
  return ended(await start(socket, args, env));
}

export async function runOnTerminal(
  socket: string,
  args: readonly string[],
  env: Record<string, string> = {},
  columns = 0,
) {
  return ended(await startOnTerminal(socket, args, env, columns));
}

function killAtEnd(command: SpawnedProcess): SpawnedProcess {
  onCleanup(() => command.kill('SIGKILL'));
  return command;
}
