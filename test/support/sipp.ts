import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTemporaryDirectory, temporaryDirectory } from './cleanup.ts';
import { within } from './deadline.ts';
import { freePort } from './net.ts';
import { spawnProcess } from './process.ts';

const SCENARIOS = join(import.meta.dir, '../scenarios');
/** Beyond SIPp's own timeout, which is in whole seconds. */
const KILL_AFTER_MS = 3000;

export interface SippOptions {
  /** A file of test/scenarios, without `.xml`. */
  readonly scenario: string;
  readonly target: { readonly host: string; readonly port: number };
  readonly transport: 'u1' | 't1';
  readonly user?: string;
  readonly password?: string;
  readonly realm?: string;
  readonly localIp?: string;
  readonly localPort?: number;
  /** Runs of the scenario, in turn. All have the same user and address, so a binding that is left makes a refresh. */
  readonly calls?: number;
  /** `{name: value}` replaces `[name]` in the scenario. */
  readonly keys?: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
}

export interface SippResult {
  /** 0: every call followed the scenario. */
  readonly code: number | null;
  readonly stdout: string;
  /** With the messages in question; '' after code 0. */
  readonly errors: string;
}

export async function runSipp(options: SippOptions): Promise<SippResult> {
  const { scenario, target, transport, localIp = '127.0.0.1', calls = 1, keys = {}, deadlineMs } = options;
  const { realm = 'none', localPort = await freePort() } = options;
  const directory = temporaryDirectory('sipp');
  try {
    const users = join(directory, 'users.csv');
    const errorFile = join(directory, 'errors.log');
    await Bun.write(users, usersFile(options));
    const sipp = spawnProcess(
      'sipp',
      [
        ...['-sf', join(SCENARIOS, `${scenario}.xml`), '-inf', users],
        ...['-t', transport, '-i', localIp, '-ci', localIp, '-p', String(localPort)],
        ...['-m', String(calls), '-l', '1', '-nostdin'],
        // By default, the uri of the credentials is the address that the request is sent to.
        ...['-auth_uri', realm],
        ...['-timeout', `${Math.ceil(deadlineMs / 1000)}s`, '-timeout_error'],
        ...['-trace_err', '-error_file', errorFile],
        ...Object.entries(keys).flatMap(([name, value]) => ['-key', name, value]),
        `${target.host}:${target.port}`,
      ],
      { cwd: directory, env: { TERM: 'dumb' } },
    );
    try {
      const { code } = await within(sipp.exited, deadlineMs + KILL_AFTER_MS, `end of sipp (${scenario})`);
      const errors = existsSync(errorFile) ? await readFile(errorFile, 'utf8') : '';
      // Errors in the scenario or the arguments go to stderr.
      return { code, stdout: sipp.stdout.join('\n'), errors: errors || (code === 0 ? '' : sipp.stderr.join('\n')) };
    } finally {
      sipp.kill('SIGKILL');
    }
  } finally {
    removeTemporaryDirectory(directory);
  }
}

/** [field0] is the user, [field1] the Authorization header, [field2] the realm. */
function usersFile({ user = 'none', password = 'none', realm = 'none' }: SippOptions): string {
  for (const value of [user, password, realm]) {
    if (/[;\]\s]/.test(value)) throw new Error(`SIPp cannot be given ${JSON.stringify(value)}: no ";", "]" or spaces`);
  }
  return `SEQUENTIAL\n${user};[authentication username=${user} password=${password}];${realm}\n`;
}
