import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { temporaryDirectory } from '../support/cleanup.ts';
import { NotifySocket } from '../support/notify-socket.ts';
import { startEmbedded } from './sidecar.ts';

test('systemd hears what a start waits for, that phones are served, and of the stop', async () => {
  using socket = new NotifySocket(join(temporaryDirectory('notify'), 'notify'));
  const grace = { JAMBONES_SHUTDOWN_GRACE_MS: '90000' };
  const sidecar = await startEmbedded({ env: { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '3600000000', ...grace } });
  await sidecar.process.line(/"msg":"ready"/, 20_000);
  expect(socket.received()).toEqual([
    'STATUS=waiting for SQLite',
    'STATUS=not ready: embedded edge has not answered yet',
    'STATUS=ready',
    'READY=1',
    'WATCHDOG=1',
  ]);
  await sidecar.stop();
  expect(socket.received()).toEqual(['STOPPING=1\nEXTEND_TIMEOUT_USEC=105000000', 'STATUS=not ready: stopping']);
});
