import { expect, test } from 'bun:test';
import { openInflux } from '../../src/adapters/influx/index.ts';
import { systemTimers, type Timers } from '../../src/lib/timers.ts';
import type { Alert } from '../../src/ports/alerts.ts';
import { type InfluxServer, startInflux } from '../support/influx.ts';
import { RecordingLogger } from '../support/logger.ts';

function open({ host, port }: InfluxServer, timers = systemTimers, token = '') {
  const logger = new RecordingLogger();
  const config = { host, port, token, org: '', bucket: '' };
  const { alerts, writer } = openInflux(config, { host: 'sbc-1', timers, random: Math.random, logger });
  writer.dependency.start();
  return { alerts, writer, logger };
}

const ALERT: Alert = { type: 'webhook-failure', message: 'http://example.com/ returned 500', accountSid: 'account' };

test('databases are created when missing, and hold what was raised and reported', async () => {
  const influx = await startInflux();
  const { alerts, writer, logger } = open(influx);
  alerts.raise({ ...ALERT, serviceProviderSid: 'provider', detail: 'a detail', targetSid: 'target' });
  alerts.raise({ type: 'carrier-disabled', message: 'no account' });
  alerts.report({ state: 'ONLINE', detail: 'ready' });
  await writer.stop();
  const time = expect.any(String);
  const rows = await influx.points('alerts', 2);
  expect(rows).toContainEqual({
    time,
    alert_type: 'webhook-failure',
    account_sid: 'account',
    service_provider_sid: 'provider',
    message: 'http://example.com/ returned 500',
    detail: 'a detail',
    target_sid: 'target',
  });
  expect(rows).toContainEqual({
    time,
    alert_type: 'carrier-disabled',
    account_sid: null,
    service_provider_sid: null,
    message: 'no account',
    detail: null,
    target_sid: null,
  });
  expect(await influx.rows('system_alerts', 'SELECT * FROM system_alerts')).toEqual([
    { time, system_component: 'sbc-sip-sidecar', state: 'ONLINE', detail: 'ready', host: 'sbc-1' },
  ]);
  expect(logger.lines.filter(({ level }) => level !== 'debug')).toEqual([]);
});

test.each([
  ['quotes and backslashes', 'say "hi" \\" C:\\', 'a"b\\'],
  ['what separates in the line protocol', 'a=b, c d', 'x=1,y 2'],
  ['line breaks and tabs', 'one\r\ntwo\tthree', 'a\nb'],
  ['other scripts', 'Ünïcode 日本 😀', 'é'],
  ['half a character', 'a\ud800b', 'x\udc00'],
  ['a control character', 'a\u0000b\u001b[31m', 'plain'],
])('%s in an alert neither change nor lose it, or its neighbours', async (_, message, accountSid) => {
  const influx = await sharedInflux();
  const { alerts, writer, logger } = open(influx);
  const mark = crypto.randomUUID();
  alerts.raise({ ...ALERT, accountSid: `before ${mark}` });
  alerts.raise({ ...ALERT, message, detail: mark, accountSid });
  alerts.raise({ ...ALERT, accountSid: `after ${mark}` });
  await writer.stop();
  const rows = await influx.rows('alerts', 'SELECT * FROM alerts');
  expect(rows.filter(({ detail }) => detail === mark)).toMatchObject([{ message: message.toWellFormed() }]);
  for (const which of ['before', 'after'])
    expect(rows.filter(({ account_sid }) => account_sid === `${which} ${mark}`)).toHaveLength(1);
  expect(logger.lines.filter(({ level }) => level !== 'debug')).toEqual([]);
});

test('alerts of one account and type in one millisecond are all kept', async () => {
  const influx = await sharedInflux();
  const { alerts, writer } = open(influx, stoppedClock());
  const accountSid = crypto.randomUUID();
  for (let i = 0; i < 1_200; i++) alerts.raise({ ...ALERT, accountSid, message: `alert ${i}` });
  await writer.stop();
  const rows = await influx.rows('alerts', `SELECT * FROM alerts WHERE account_sid = '${accountSid}'`);
  expect(rows.map(({ message }) => message)).toEqual(Array.from({ length: 1_200 }, (_, i) => `alert ${i}`));
});

test('a server with authentication takes user:password, and nothing without', async () => {
  const user = 'writer:influx-password';
  const influx = await startInflux({ user });
  const stranger = open(influx);
  stranger.alerts.raise({ ...ALERT, message: 'of a stranger' });
  await stranger.writer.stop();
  expect(stranger.writer.waiting).toBe(1);
  expect(stranger.logger.lines.at(-1)?.fields).toMatchObject({ why: expect.stringContaining('HTTP status 401') });
  const { alerts, writer } = open(influx, systemTimers, user);
  alerts.raise(ALERT);
  await writer.stop();
  expect((await influx.points('alerts', 1)).map(({ message }) => message)).toEqual([ALERT.message]);
});

test('a database that is dropped is created again', async () => {
  const influx = await startInflux();
  const { alerts, writer } = open(influx);
  alerts.raise(ALERT);
  await influx.points('alerts', 1);
  await influx.rows('', 'DROP DATABASE alerts');
  alerts.raise({ ...ALERT, message: 'after' });
  await influx.points('alerts', 1, { message: 'after' });
  await writer.stop();
});

function stoppedClock(): Timers {
  return {
    now: () => Date.UTC(2026, 0, 1),
    monotonic: () => systemTimers.monotonic(),
    after: (ms, callback) => systemTimers.after(ms, callback),
  };
}

let shared: Promise<InfluxServer> | undefined;

function sharedInflux(): Promise<InfluxServer> {
  shared ??= startInflux();
  return shared;
}
