import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTemporaryDirectory, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { freePort } from '../support/net.ts';
import { spawnProcess } from '../support/process.ts';

const SCENARIOS = join(import.meta.dir, '../scenarios');
/** Beyond SIPp's own timeout. */
const KILL_AFTER_MS = 5000;

export interface Volume {
  /** A file of test/scenarios, without `.xml`. */
  readonly scenario: string;
  readonly target: { readonly host: string; readonly port: number };
  /** One UDP socket; one TCP connection; one TCP connection per call. */
  readonly transport: 'u1' | 't1' | 'tn';
  readonly calls: number;
  readonly rate: number;
  readonly realm: string;
  readonly users: readonly { readonly username: string; readonly password: string }[];
  readonly deadlineMs: number;
}

export interface VolumeResult {
  readonly code: number | null;
  readonly successful: number;
  readonly failed: number;
  /** Requests sent again after 500 ms without a response. */
  readonly retransmissions: number;
  /** Messages that no call expected. */
  readonly unexpected: number;
  readonly errors: string;
}

export async function runVolume(volume: Volume): Promise<VolumeResult> {
  const { scenario, target, transport, calls, rate, realm, deadlineMs } = volume;
  const directory = temporaryDirectory('sipp');
  try {
    const files = { users: join(directory, 'users.csv'), stats: join(directory, 'stats.csv') };
    const errorFile = join(directory, 'errors.log');
    await Bun.write(files.users, usersFile(volume));
    const sipp = spawnProcess(
      'sipp',
      [
        ...['-sf', join(SCENARIOS, `${scenario}.xml`), '-inf', files.users, '-auth_uri', realm],
        ...['-t', transport, '-i', '127.0.0.1', '-p', String(await freePort())],
        ...['-m', String(calls), '-r', String(rate), '-l', String(rate), '-nostdin'],
        ...['-max_socket', '10000', '-timeout', `${Math.ceil(deadlineMs / 1000)}s`, '-timeout_error'],
        ...['-trace_err', '-error_file', errorFile, '-trace_stat', '-stf', files.stats, '-fd', '1'],
        `${target.host}:${target.port}`,
      ],
      { cwd: directory, env: { TERM: 'dumb' } },
    );
    try {
      const { code } = await within(sipp.exited, deadlineMs + KILL_AFTER_MS, `end of sipp (${scenario})`);
      const errors = existsSync(errorFile) ? await readFile(errorFile, 'utf8') : '';
      const stats = existsSync(files.stats) ? lastLine(await readFile(files.stats, 'utf8')) : new Map<string, number>();
      const figure = (name: string) => stats.get(name) ?? Number.NaN;
      return {
        code,
        successful: figure('SuccessfulCall(C)'),
        failed: figure('FailedCall(C)'),
        retransmissions: figure('Retransmissions(C)'),
        unexpected: figure('FailedUnexpectedMessage(C)') + figure('OutOfCallMsgs(C)') + figure('DeadCallMsgs(C)'),
        errors: errors || (code === 0 ? '' : sipp.stderr.join('\n')),
      };
    } finally {
      sipp.kill('SIGKILL');
    }
  } finally {
    removeTemporaryDirectory(directory);
  }
}

/** [field0] is the user, [field1] the Authorization header, [field2] the realm. */
function usersFile({ users, realm }: Volume): string {
  const lines = users.map(({ username, password }) => {
    return `${username};[authentication username=${username} password=${password}];${realm}\n`;
  });
  return `SEQUENTIAL\n${lines.join('')}`;
}

/** The columns of SIPp's last report by name; (C) is cumulative. */
function lastLine(csv: string): Map<string, number> {
  const lines = csv.trim().split('\n');
  const names = lines[0]?.split(';') ?? [];
  const values = lines[lines.length - 1]?.split(';') ?? [];
  return new Map(names.map((name, i) => [name, Number(values[i])]));
}
