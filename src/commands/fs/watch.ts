import { defineCommand } from 'citty';
import { AdminConnection } from '../../admin/client.ts';
import { sleep, systemTimers } from '../../lib/timers.ts';
import { json, print, printable } from '../output.ts';
import { Failure } from '../run.ts';
import { askSidecar, JSON_FLAG, socketPath } from '../sidecar.ts';
import { onTerminal, painter } from '../terminal.ts';
import { Screen } from './screen.ts';
import { serverTable } from './table.ts';

const EVERY_MS = 1000;

export default defineCommand({
  meta: { name: 'watch', description: 'Show the feature servers, anew every second until interrupted' },
  args: { json: { ...JSON_FLAG.json, description: 'Print one JSON document a line, every second' } },
  async run({ args }) {
    const connection = new AdminConnection({ socketPath: socketPath() });
    const told = interrupted();
    // A request that is under way would keep us waiting.
    told.addEventListener('abort', () => connection.close());
    const look = args.json ? () => document(connection) : await text(connection);
    const screen = !args.json && (await onTerminal()) ? new Screen() : undefined;
    try {
      while (!told.aborted) {
        const frame = await look();
        if (told.aborted) break;
        const seen = screen ? screen.draw(frame) : await print(args.json ? frame : `${frame}\n`);
        if (!seen) break;
        await sleep(EVERY_MS, systemTimers, told);
      }
    } finally {
      screen?.close();
      connection.close();
    }
  },
});

async function text(connection: AdminConnection): Promise<() => Promise<string>> {
  const paint = await painter();
  return () => orMessage(async () => serverTable(await askSidecar('fs-list', {}, connection), paint), printable);
}

function document(connection: AdminConnection): Promise<string> {
  return orMessage(
    async () => json(await askSidecar('fs-list', {}, connection)),
    (error) => json({ success: false, error }),
  );
}

/** A sidecar that is away is no reason to stop looking. */
async function orMessage(look: () => Promise<string>, shown: (message: string) => string): Promise<string> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return shown(error.message);
  }
}

function interrupted(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}
