import { within } from '../../test/support/deadline.ts';
import { type SpawnedProcess, type SpawnOptions, spawnProcess } from '../../test/support/process.ts';
import { PROTOCOLS, type Protocol } from './client.ts';
import type { Watched } from './proc.ts';

/** A process with SIP listeners on free ports of 127.0.0.1. */
export interface Server extends Watched {
  readonly ports: Readonly<Partial<Record<Protocol, number>>>;
  readonly process: SpawnedProcess;
  /** Sends SIGTERM and resolves with the exit code. @throws when the process does not end */
  stop(): Promise<number | null>;
}

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

const START_MS = 60_000;
const STOP_MS = 10_000;

/**
 * @param listening the line that names its listeners as `udp/127.0.0.1:5060`
 * @throws when that line does not come, with the last lines printed
 */
export async function startServer(
  name: string,
  command: readonly [string, ...string[]],
  listening: RegExp,
  options: SpawnOptions = {},
): Promise<Server> {
  const [program, ...args] = command;
  const child = spawnProcess(program, args, options);
  const stop = async () => {
    child.kill('SIGTERM');
    try {
      const { code } = await within(child.exited, STOP_MS, `end of ${name}`);
      return code;
    } finally {
      child.kill('SIGKILL');
    }
  };
  try {
    const [line] = await child.line(listening, START_MS);
    return { name, pid: child.pid, ports: portsIn(line), process: child, stop };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

/** The port of a listener. @throws when the server has none for that protocol */
export function portOf({ name, ports }: Server, protocol: Protocol): number {
  const port = ports[protocol];
  if (port === undefined) throw new Error(`${name} does not listen on ${protocol}`);
  return port;
}

function portsIn(line: string): Partial<Record<Protocol, number>> {
  const ports: Partial<Record<Protocol, number>> = {};
  for (const protocol of PROTOCOLS) {
    const port = new RegExp(`(?:^|[ ,])${protocol}/127\\.0\\.0\\.1:([1-9]\\d*)`).exec(line)?.[1];
    if (port !== undefined) ports[protocol] = Number(port);
  }
  return ports;
}
