import { defineCommand } from 'citty';
import { AdminClient } from '../../admin/client.ts';
import type { Success } from '../../admin/protocol.ts';
import { printable } from '../../lib/text.ts';
import { sleep, systemTimers } from '../../lib/timers.ts';
import { UsageError } from '../arguments.ts';
import { duration, readDuration } from '../duration.ts';
import { json, print, printError } from '../output.ts';
import { EXIT } from '../run.ts';
import { askSidecar, JSON_FLAG, show, socketPath } from '../sidecar.ts';
import { callsLeft, ProgressLine, waitingFor } from './progress.ts';
import { kubernetesLine, outcome, SERVER } from './server.ts';
import { type End, waitUntilEmpty } from './wait.ts';

const DEFAULT_TIMEOUT_MS = 600_000;

export default defineCommand({
  meta: {
    name: 'drain',
    description: 'Take a feature server out of service: it gets no new calls, existing calls continue',
  },
  args: {
    ...SERVER,
    force: { type: 'boolean', description: 'Drain even the last active server, or one that has not checked in' },
    wait: { type: 'boolean', description: 'Wait until the server has no calls left' },
    timeout: {
      type: 'string',
      valueHint: 'duration',
      description: 'Longest wait, such as 90s, 10m or 1h; a plain number is seconds; default 10m',
    },
    ...JSON_FLAG,
  },
  async run({ args }) {
    const timeoutMs = readTimeout(args);
    const client = new AdminClient({ socketPath: socketPath() });
    try {
      const answer = await askSidecar('fs-drain', { server: args.server, force: args.force ?? false }, client);
      const done = outcome('Drained', answer.server, answer.drained);
      if (answer.kubernetes !== undefined) await printError(`note: ${kubernetesLine(answer.kubernetes)}`);
      if (!args.wait) return await show(args, answer, done);
      if (args.json) return await waitQuietly(client, answer, timeoutMs);
      await print(done);
      await waitWithProgress(client, answer.server, timeoutMs);
    } finally {
      client.close();
    }
  },
});

interface WaitArgs {
  readonly wait?: boolean | undefined;
  readonly timeout?: string | undefined;
}

function readTimeout({ wait, timeout }: WaitArgs): number {
  if (timeout === undefined) return DEFAULT_TIMEOUT_MS;
  if (!wait) throw new UsageError('--timeout means something with --wait only');
  const ms = readDuration(timeout);
  if (ms === undefined) throw new UsageError(`--timeout ${timeout}: expected a duration such as 90s, 10m or 1h`);
  return ms;
}

async function waitWithProgress(client: AdminClient, server: string, timeoutMs: number): Promise<void> {
  const line = await ProgressLine.open();
  const progress = (current: Parameters<typeof waitingFor>[1]) => line.show(waitingFor(server, current));
  const end = await waitUntilEmpty({ client, server, timeoutMs, progress, ...REAL_TIME });
  line.end();
  const text = printable(`${server} ${describe(end, timeoutMs)}`);
  process.exitCode = exitCodeOf(end);
  await (process.exitCode === EXIT.ok ? print(text) : printError(text));
}

async function waitQuietly(client: AdminClient, answer: Success<'fs-drain'>, timeoutMs: number): Promise<void> {
  const { server } = answer;
  const end = await waitUntilEmpty({ client, server, timeoutMs, progress: async () => {}, ...REAL_TIME });
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

function describe(end: End, timeoutMs: number): string {
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
