import { systemTimers } from '../../src/lib/timers.ts';
import { WebhookConnections } from '../../src/webhook/call.ts';

// Calls each URL of the command line in turn and prints the results: the runtime reads its CAs once, at its start.
const connections = new WebhookConnections();
const deadline = new AbortController();
const timer = systemTimers.after(20_000, () => deadline.abort());
const results = [];
for (const url of process.argv.slice(2)) {
  results.push(await connections.call({ url: new URL(url), method: 'POST', headers: {}, body: '{}' }, deadline.signal));
  // The connection is free in a later turn.
  await new Promise((resolve) => setImmediate(resolve));
}
timer.cancel();
process.stdout.write(JSON.stringify(results));
