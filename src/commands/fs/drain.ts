import { defineCommand } from 'citty';
import type { Success } from '../../admin/answers.ts';
import { AdminConnection } from '../../admin/client.ts';
import { sleep, systemTimers } from '../../lib/timers.ts';
import { UsageError } from '../arguments.ts';
import { duration, readDuration } from '../duration.ts';
import { complain, json, print, printable } from '../output.ts';
import { EXIT } from '../run.ts';
import { askSidecar, JSON_FLAG, show, socketPath } from '../sidecar.ts';
import { callsLeft, ProgressLine, waitingFor } from './progress.ts';
import { outcome, SERVER } from './server.ts';
import { type End, untilEmpty } from './wait.ts';

const DEFAULT_TIMEOUT_MS = 600_000;

export default defineCommand({
  meta: {
    name: 'drain',
    description: 'Take a feature server out of service: it gets no new calls, those it has go on',
  },
  args: {
    ...SERVER,
    wait: { type: 'boolean', description: 'Wait until the server has no calls left' },
    timeout: {
      type: 'string',
      valueHint: 'duration',
      description: 'How long to wait, such as 90s, 10m or 1h; a plain number is seconds. 10m unless given',
    },
    ...JSON_FLAG,
  },
  async run({ args }) {
    const timeoutMs = readTimeout(args);
    const connection = new AdminConnection({ socketPath: socketPath() });
    try {
      const answer = await askSidecar('fs-drain', { server: args.server }, connection);
      const done = outcome('Drained', answer.server, answer.drained);
      if (!args.wait) return await show(args, answer, done);
      if (args.json) return await waitQuietly(connection, answer, timeoutMs);
      await print(done);
      await waitAndTell(connection, answer.server, timeoutMs);
    } finally {
      connection.close();
    }
  },
});

function readTimeout({
  wait,
  timeout,
}: {
  readonly wait?: boolean | undefined;
  readonly timeout?: string | undefined;
}): number {
  if (timeout === undefined) return DEFAULT_TIMEOUT_MS;
  if (!wait) throw new UsageError('--timeout means something with --wait only');
  const ms = readDuration(timeout);
  if (ms === undefined) throw new UsageError(`--timeout ${timeout}: expected a duration such as 90s, 10m or 1h`);
  return ms;
}

async function waitAndTell(connection: AdminConnection, server: string, timeoutMs: number): Promise<void> {
  const line = await ProgressLine.open();
  const progress = (standing: Parameters<typeof waitingFor>[1]) => line.show(waitingFor(server, standing));
  const end = await untilEmpty({ connection, server, timeoutMs, progress, ...REAL_TIME });
  line.end();
  const text = printable(`${server} ${told(end, timeoutMs)}`);
  process.exitCode = exitCodeOf(end);
  await (process.exitCode === EXIT.ok ? print(text) : complain(text));
}

/** The document is the answer to the drain with what came of the wait. */
async function waitQuietly(connection: AdminConnection, answer: Success<'fs-drain'>, timeoutMs: number): Promise<void> {
  const { server } = answer;
  const end = await untilEmpty({ connection, server, timeoutMs, progress: async () => {}, ...REAL_TIME });
  process.exitCode = exitCodeOf(end);
  await print(json({ ...answer, success: process.exitCode === EXIT.ok, wait: end }));
}

const REAL_TIME = {
  now: () => performance.now(),
  pause: (ms: number) => sleep(ms, systemTimers),
};

function exitCodeOf({ state }: End): number {
  if (state === 'timed out') return EXIT.timedOut;
  return state === 'undrained' ? EXIT.failed : EXIT.ok;
}

function told(end: End, timeoutMs: number): string {
  switch (end.state) {
    case 'empty':
      return 'has no calls left';
    case 'silent':
      return end.before ? 'does not check in any more: nothing to wait for' : 'is not checking in: nothing to wait for';
    case 'undrained':
      return 'was undrained meanwhile: it takes calls again';
    case 'timed out':
      return `is still drained, but the wait timed out after ${duration(timeoutMs)}: ${callsLeft(end.calls)}`;
  }
}
