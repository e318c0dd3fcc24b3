import { defineCommand } from 'citty';
import { AdminClient } from '../../admin/client.ts';
import { printable } from '../../lib/text.ts';
import { sleep, systemTimers } from '../../lib/timers.ts';
import { interruptSignal } from '../interrupt.ts';
import { json, print } from '../output.ts';
import { EXIT, Failure } from '../run.ts';
import { askSidecar, JSON_FLAG, socketPath } from '../sidecar.ts';
import { onTerminal, painter } from '../terminal.ts';
import { Screen } from './screen.ts';
import { serverTable } from './table.ts';

const INTERVAL_MS = 1000;

export default defineCommand({
  meta: {
    name: 'watch',
    description: 'Show the feature servers every second, until interrupted or the sidecar has gone',
  },
  args: { json: { ...JSON_FLAG.json, description: 'Print one JSON document per line, every second' } },
  async run({ args }) {
    const client = new AdminClient({ socketPath: socketPath() });
    const interrupt = interruptSignal();
    // Ends a pending request.
    interrupt.addEventListener('abort', () => client.close());
    const render = args.json ? () => renderJson(client) : await tableRenderer(client);
    const screen = !args.json && (await onTerminal()) ? new Screen() : undefined;
    try {
      while (!interrupt.aborted) {
        const frame = await render();
        if (interrupt.aborted) break;
        const written = screen ? screen.draw(frame) : await print(args.json ? frame : `${frame}\n`);
        if (!written) break;
        await sleep(INTERVAL_MS, systemTimers, interrupt);
      }
    } finally {
      screen?.close();
      client.close();
    }
  },
});

async function tableRenderer(client: AdminClient): Promise<() => Promise<string>> {
  const paint = await painter();
  return () => orMessage(async () => serverTable(await askSidecar('fs-list', {}, client), paint), printable);
}

function renderJson(client: AdminClient): Promise<string> {
  return orMessage(
    async () => json(await askSidecar('fs-list', {}, client)),
    (error) => json({ success: false, error }),
  );
}

/**
 * Shows a refusal or a late answer as a frame: the next one may be better.
 * @throws Failure when there is no sidecar to ask
 */
async function orMessage(render: () => Promise<string>, renderError: (message: string) => string): Promise<string> {
  try {
    return await render();
  } catch (error) {
    if (!(error instanceof Failure) || error.exitCode === EXIT.noSidecar || error.exitCode === EXIT.denied) throw error;
    return renderError(error.message);
  }
}
