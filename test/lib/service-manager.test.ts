import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { ServiceManager } from '../../src/lib/service-manager.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { RecordingLogger } from '../support/logger.ts';
import { NotifySocket } from '../support/notify-socket.ts';
import { ManualTimers } from '../support/timers.ts';

const PATHS: readonly [string, () => string][] = [
  ['a path', () => join(temporaryDirectory('notify'), 'notify')],
  ['an abstract name', () => `@sidecar-test/${crypto.randomUUID()}`],
];

function managed(variables: Readonly<Record<string, string>>) {
  const timers = new ManualTimers();
  const logger = new RecordingLogger();
  return { manager: new ServiceManager(variables, timers, logger), timers, logger };
}

describe.each(PATHS)('a service manager that listens at %s', (_, path) => {
  test('gets readiness, the state in a line, and the stop with its longest time', () => {
    using socket = new NotifySocket(path());
    const { manager } = managed({ NOTIFY_SOCKET: socket.path });
    manager.status('waiting for\nRedis');
    manager.ready();
    manager.stopping(20_000);
    expect(socket.received()).toEqual([
      'STATUS=waiting for Redis',
      'READY=1',
      'STOPPING=1\nEXTEND_TIMEOUT_USEC=20000000',
    ]);
  });
});

test('the watchdog hears from us twice in its interval, from readiness to the stop', () => {
  using socket = new NotifySocket(`@sidecar-test/${crypto.randomUUID()}`);
  const { manager, timers } = managed({ NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '60000000' });
  timers.advance(60_000);
  expect(socket.received()).toEqual([]);
  manager.ready();
  expect(socket.received()).toEqual(['READY=1', 'WATCHDOG=1']);
  timers.advance(60_000);
  expect(socket.received()).toEqual(['WATCHDOG=1', 'WATCHDOG=1']);
  manager.stopping(1);
  socket.received();
  timers.advance(60_000);
  expect(socket.received()).toEqual([]);
});

test('without a service manager nothing is sent or logged, and no timer runs', () => {
  const { manager, timers, logger } = managed({});
  manager.ready();
  manager.stopping(1);
  expect(logger.lines).toEqual([]);
  expect(timers.pending).toBe(0);
});

test('a service manager that is away is a warning with errno', () => {
  const { manager, logger } = managed({ NOTIFY_SOCKET: '/nonexistent/notify' });
  manager.ready();
  expect(logger.lines).toEqual([
    { level: 'warn', fields: { errno: 2, message: 'READY=1' }, message: 'systemd was not notified' },
  ]);
});
