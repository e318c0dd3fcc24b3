import { expect, test } from 'bun:test';
import type { SystemAlert } from '../../src/ports/alerts.ts';
import type { SidecarEvent } from '../../src/ports/events.ts';
import type { Readiness } from '../../src/sidecar/readiness.ts';
import { ReadinessWatch } from '../../src/sidecar/readiness-watch.ts';

function watched() {
  const reported: SystemAlert[] = [];
  const events: SidecarEvent[] = [];
  let readiness: Readiness = { state: 'not ready', why: 'starting' };
  const alerts = { report: (alert: SystemAlert) => void reported.push(alert) };
  const watch = new ReadinessWatch(() => readiness, alerts, { emit: (event) => void events.push(event) });
  const becomes = (state: Readiness['state'], why?: string) => {
    readiness = why === undefined ? { state } : { state, why };
    watch.update();
  };
  return { watch, becomes, states: () => reported.map(({ state }) => state), reported, events };
}

test('a sidecar is online once it is ready, and not before', () => {
  const { becomes, states } = watched();
  becomes('not ready', 'starting');
  expect(states()).toEqual([]);
  becomes('ready');
  becomes('ready');
  expect(states()).toEqual(['ONLINE']);
});

test('a sidecar that is not ready any more is offline, with the reason, until it is ready again', () => {
  const { becomes, states, reported } = watched();
  becomes('ready');
  becomes('not ready', 'Redis does not answer');
  becomes('not ready', 'drachtio does not answer');
  expect(reported.at(-1)?.detail).toBe(
    `sbc-sip-sidecar with process id ${process.pid} is not ready: Redis does not answer`,
  );
  becomes('ready');
  expect(states()).toEqual(['ONLINE', 'OFFLINE', 'ONLINE']);
});

test('a degraded sidecar is online', () => {
  const { becomes, states } = watched();
  becomes('degraded', 'MySQL does not answer');
  becomes('ready');
  becomes('degraded', 'MySQL does not answer');
  expect(states()).toEqual(['ONLINE']);
});

test('a sidecar that stops says so last', () => {
  const { watch, becomes, states } = watched();
  becomes('ready');
  watch.stopping();
  becomes('not ready', 'stopping');
  expect(states()).toEqual(['ONLINE', 'SHUTDOWN_IN_PROGRESS']);
});

test('each change of the state is an event, its reason included', () => {
  const { watch, becomes, events } = watched();
  becomes('not ready', 'starting');
  becomes('ready');
  becomes('degraded', 'MySQL does not answer');
  becomes('degraded', 'MySQL does not answer');
  watch.stopping();
  expect(events).toEqual([
    { type: 'readiness', state: 'ready' },
    { type: 'readiness', state: 'degraded', why: 'MySQL does not answer' },
    { type: 'readiness', state: 'not ready', why: 'stopping' },
  ]);
});
