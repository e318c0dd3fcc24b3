import { join } from 'node:path';
import { AdminClient } from '../../src/admin/client.ts';
import { within } from '../../test/support/deadline.ts';
import { spawnProcess } from '../../test/support/process.ts';
import type { Stores } from './stores.ts';

/** So many registrations start together, and the next so many milliseconds later. */
export interface Pace {
  readonly batchSize: number;
  readonly batchSleepMs: number;
}

export interface Sidecar {
  readonly pid: number;
  readonly admin: AdminClient;
  /** What it said that was no good news, at most a few lines. */
  complaints(): string[];
  /** @throws when it does not end by itself, and well */
  stop(): Promise<void>;
}

const START_MS = 20_000;
/** A little longer than its own grace for requests in flight. */
const STOP_MS = 10_000;
const ADMIN_TIMEOUT_MS = 30_000;
const MAX_COMPLAINTS = 5;
/** Pino's. */
const WARN = 40;

/** Starts the compiled sidecar with its embedded edge on a free port; resolves when it registers at carriers. */
export async function startSidecar(binary: string, directory: string, stores: Stores, pace: Pace): Promise<Sidecar> {
  const socketPath = join(directory, 'admin.sock');
  const child = spawnProcess(binary, ['serve', '--embedded', '--sip', 'udp/127.0.0.1:0'], {
    env: {
      ...stores.env,
      SBC_SOCKET_PATH: socketPath,
      JAMBONES_REGBOT_BATCH_SIZE: String(pace.batchSize),
      JAMBONES_REGBOT_BATCH_SLEEP_MS: String(pace.batchSleepMs),
    },
  });
  const admin = new AdminClient({ socketPath, timeoutMs: ADMIN_TIMEOUT_MS });
  const stop = async () => {
    admin.close();
    child.kill('SIGTERM');
    try {
      const { code, signal } = await within(child.exited, STOP_MS, 'end of the sidecar');
      if (code !== 0) throw new Error(`the sidecar ended with ${signal ?? code}`);
    } finally {
      child.kill('SIGKILL');
    }
  };
  try {
    await child.line(/this sidecar registers at carriers now/, START_MS);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return { pid: child.pid, admin, complaints: () => complaintsIn(child.lines), stop };
}

function complaintsIn(lines: readonly string[]): string[] {
  const isComplaint = (line: string) => Number(/"level":(\d+)/.exec(line)?.[1] ?? 0) >= WARN;
  return lines.filter(isComplaint).slice(0, MAX_COMPLAINTS);
}
