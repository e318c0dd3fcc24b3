import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTemporaryDirectory, temporaryDirectory } from './cleanup.ts';
import { within } from './deadline.ts';
import { freePort } from './net.ts';
import { spawnProcess } from './process.ts';

const SCENARIOS = join(import.meta.dir, '../scenarios');
/** SIPp counts its own time in whole seconds and ends in its own time; after this it is killed, milliseconds. */
const KILL_AFTER_MS = 3000;

export interface SippOptions {
  /** A file of test/scenarios, without `.xml`. */
  readonly scenario: string;
  readonly target: { readonly host: string; readonly port: number };
  /** One UDP socket, or one TCP connection, for all calls. */
  readonly transport: 'u1' | 't1';
  /** For scenarios that authenticate. */
  readonly user?: string;
  readonly password?: string;
  readonly realm?: string;
  /** 127.0.0.1 unless given. */
  readonly localIp?: string;
  /** A free one unless given. */
  readonly localPort?: number;
  /**
   * How often the scenario is run, one after another; 1 unless given. All are the same user at the same address: more
   * than one needs a scenario that leaves no binding, or its second REGISTER is a refresh that nobody challenges.
   */
  readonly calls?: number;
  /** Further keywords: `{name: value}` replaces `[name]` in the scenario. */
  readonly keys?: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
}

export interface SippResult {
  /** 0: every call went as the scenario says. */
  readonly code: number | null;
  readonly stdout: string;
  /** What SIPp found wrong, messages included; empty when all went well. */
  readonly errors: string;
}

/**
 * Plays a scenario against a SIP server and resolves when SIPp has ended, well or not: look at `code`.
 * @throws when SIPp cannot be started, or does not end
 */
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
        // Without it the uri of the credentials would be the address the request is sent to.
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
      // What is wrong with the scenario or the arguments it says on stderr instead.
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
