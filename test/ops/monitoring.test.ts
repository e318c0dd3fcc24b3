import { describe, expect, test } from 'bun:test';
import { healthRoutes, metricsRoute, type ReadinessView } from '../../src/ops/monitoring.ts';
import { dispatch } from '../../src/ops/route.ts';

const READY: ReadinessView = {
  ready: true,
  readiness: 'ready',
  notReadyBecause: null,
  dependencies: [{ role: 'store', name: 'Redis', address: '127.0.0.1:6379', state: 'up', since: 1, why: null }],
  now: 2,
};
const DEGRADED: ReadinessView = { ...READY, readiness: 'degraded', notReadyBecause: 'MySQL does not answer' };
const NOT_READY: ReadinessView = { ...READY, ready: false, readiness: 'not ready', notReadyBecause: 'stopping' };
const STATES = [
  ['ready', READY],
  ['degraded', DEGRADED],
  ['not ready', NOT_READY],
] as const;

async function get(view: ReadinessView, path: string) {
  const routes = [...healthRoutes(() => view), metricsRoute(async () => 'a 1\n')];
  const peer = { address: '127.0.0.1', keepOpen() {} };
  // Probes and Prometheus may use any name.
  const request = new Request(`http://sbc.test${path}`, { headers: { Host: 'sbc.test' } });
  const response = await dispatch(routes, new Set(), request, peer);
  return { status: response.status, type: response.headers.get('Content-Type'), text: await response.text() };
}

describe('health', () => {
  test.each([
    ['ready', READY, 200],
    ['degraded', DEGRADED, 200],
    ['not ready', NOT_READY, 503],
  ])('%s: /readyz tells each dependency', async (_, view, status) => {
    const answer = await get(view, '/readyz');
    expect([answer.status, JSON.parse(answer.text)]).toEqual([status, view]);
  });

  test.each(STATES)('%s: /healthz says that the process lives', async (_, view) => {
    expect(await get(view, '/healthz')).toMatchObject({ status: 200, text: '{"alive":true}' });
  });

  test.each(STATES)('%s: /system-health has calls first, as the neighbours', async (_, view) => {
    const answer = await get(view, '/system-health');
    expect(answer.status).toBe(200);
    expect(answer.text).toStartWith('{"calls":0,');
    expect(JSON.parse(answer.text)).toEqual({ calls: 0, ...view });
  });

  test('/metrics is in the text format of Prometheus', async () => {
    expect(await get(READY, '/metrics')).toEqual({
      status: 200,
      type: 'text/plain; version=0.0.4; charset=utf-8',
      text: 'a 1\n',
    });
  });
});
