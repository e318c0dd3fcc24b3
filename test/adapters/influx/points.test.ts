import { expect, test } from 'bun:test';
import { alertPoint, pointTimes, systemAlertPoint } from '../../../src/adapters/influx/points.ts';
import { ManualTimers } from '../../support/timers.ts';

test('an alert is a point with the tags and fields of the platform', () => {
  const alert = {
    type: 'webhook-connection-failure',
    message: 'failed to connect to http://example.com/auth',
    detail: 'connect ECONNREFUSED',
    accountSid: 'account-1',
    serviceProviderSid: 'provider-1',
    targetSid: 'target-1',
  } as const;
  expect(alertPoint(alert, '7')).toEqual({
    database: 'alerts',
    line:
      'alerts,account_sid=account-1,alert_type=webhook-connection-failure,service_provider_sid=provider-1 ' +
      'detail="connect ECONNREFUSED",message="failed to connect to http://example.com/auth",target_sid="target-1" 7',
  });
});

test('what an alert does not say is absent from its point', () => {
  const { line } = alertPoint({ type: 'carrier-disabled', message: 'm', accountSid: '' }, '7');
  expect(line).toBe('alerts,alert_type=carrier-disabled message="m" 7');
});

test('a system alert names the component, its state and its host', () => {
  expect(systemAlertPoint({ state: 'OFFLINE', detail: 'Redis does not answer' }, 'sbc-1', '7')).toEqual({
    database: 'system_alerts',
    line: 'system_alerts,state=OFFLINE,system_component=sbc-sip-sidecar detail="Redis does not answer",host="sbc-1" 7',
  });
});

test('a long text is cut between characters', () => {
  const { line } = alertPoint({ type: 'webhook-failure', message: `${'x'.repeat(999)}😀` }, '7');
  expect(line).toBe(`alerts,alert_type=webhook-failure message="${'x'.repeat(999)}" 7`);
});

test('times are of now, and increase within a millisecond too', () => {
  const timers = new ManualTimers(1_700_000_000_000);
  const times = pointTimes(timers, () => 0.5);
  expect([times(), times(), times()]).toEqual(['1700000000000250000', '1700000000000250001', '1700000000000250002']);
  timers.advance(1);
  expect(times()).toBe('1700000000001250000');
});

test('times follow a clock that is set back', () => {
  const timers = new ManualTimers(1_700_000_000_000);
  const times = pointTimes(timers, () => 0);
  times();
  timers.skew = -60_000;
  expect(times()).toBe('1699999940000000000');
});

test('two sidecars have different times in the same millisecond', () => {
  const timers = new ManualTimers();
  expect(pointTimes(timers, () => 0.1)()).not.toBe(pointTimes(timers, () => 0.2)());
});
