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
    [READY, 200],
    [DEGRADED, 200],
    [NOT_READY, 503],
  ])('%j: /readyz tells each dependency', async (view, status) => {
    const answer = await get(view, '/readyz');
    expect([answer.status, JSON.parse(answer.text)]).toEqual([status, view]);
  });

  test.each([READY, DEGRADED, NOT_READY])('%j: /healthz says that the process lives', async (view) => {
    expect(await get(view, '/healthz')).toMatchObject({ status: 200, text: '{"alive":true}' });
  });

  test.each([READY, DEGRADED, NOT_READY])('%j: /system-health has calls first, as the neighbours', async (view) => {
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
