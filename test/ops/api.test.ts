import { describe, expect, test } from 'bun:test';
import { Access } from '../../src/ops/access.ts';
import { apiRoutes, type Perform } from '../../src/ops/api.ts';
import { RecordingLogger } from '../support/logger.ts';
import { secret } from '../support/secrets.ts';
import { ManualTimers, settle } from '../support/timers.ts';
import { ask, bearer } from './support.ts';

const TOKEN = secret('the token', 'token of all operators');
const JSON_TYPE = { 'Content-Type': 'application/json' };

function start(answer: Perform) {
  const timers = new ManualTimers();
  const asked: unknown[] = [];
  const access = new Access({ token: TOKEN, readable: true }, timers, new RecordingLogger());
  const perform: Perform = (request, signal, operator) => {
    asked.push([request, operator]);
    return answer(request, signal, operator);
  };
  const routes = apiRoutes(access, { perform, figures: () => ({ now: timers.now() }), timers });
  const post = (path: string, body: string, headers: Record<string, string> = JSON_TYPE) =>
    ask(routes, path, { method: 'POST', body, headers: { ...bearer(TOKEN), ...headers } });
  return { timers, routes, asked, post };
}

const done: Perform = async () => ({ success: true, done: 1 });

describe('reading', () => {
  test.each(['status', 'fs-list', 'trunk-list', 'gateway-list', 'ban-list', 'reg-show'])(
    'GET /api/%s is the answer of that action',
    async (action) => {
      const { routes, asked } = start(done);
      const response = await ask(routes, `/api/${action}?aor=alice@a.test&action=fs-drain`);
      expect([response.status, await response.json()]).toEqual([200, { success: true, done: 1 }]);
      expect(asked).toEqual([[{ action, aor: 'alice@a.test' }, { source: '192.0.2.1' }]]);
      expect((await ask(routes, `/api/${action}`, { method: 'POST', headers: bearer(TOKEN) })).status).toBe(405);
    },
  );

  test.each(['set', 'reload', 'config', 'list', 'get', 'trunk-refresh', 'events-list', 'fs-drained'])(
    'there is no /api/%s',
    async (action) => {
      const { routes } = start(done);
      for (const method of ['GET', 'POST'])
        expect((await ask(routes, `/api/${action}`, { method, headers: bearer(TOKEN) })).status).toBe(404);
    },
  );

  test('a refusal is answered 409 with its reason', async () => {
    const { routes } = start(async () => ({ success: false, error: 'Redis does not answer' }));
    const response = await ask(routes, '/api/fs-list');
    expect([response.status, await response.json()]).toEqual([409, { success: false, error: 'Redis does not answer' }]);
  });

  test('a list is cut at 500 rows, what is well last', async () => {
    const states = ['registered', 'failing', 'refreshing', 'queued'];
    const trunks = Array.from({ length: 1000 }, (_, i) => ({ gateway: i, state: states[i % 4] }));
    const { routes } = start(async () => ({ success: true, trunks, skipped: [], now: 1 }));
    const answer: { trunks: { state: string }[] } = JSON.parse(await (await ask(routes, '/api/trunk-list')).text());
    expect(answer).toMatchObject({ success: true, skipped: [], now: 1, more: { trunks: 500 } });
    expect(answer.trunks).toHaveLength(500);
    expect(new Set(answer.trunks.map(({ state }) => state))).toEqual(new Set(['failing', 'queued']));
  });

  test('a short list keeps its order, and has no more', async () => {
    const bans = [{ source: '192.0.2.9' }, { source: '192.0.2.1' }];
    const { routes } = start(async () => ({ success: true, bans }));
    expect(await (await ask(routes, '/api/ban-list')).json()).toEqual({ success: true, bans });
  });
});

describe('acts', () => {
  test.each(['fs-drain', 'fs-undrain', 'reg-remove', 'ban-clear'])('POST /api/%s carries it out', async (action) => {
    const { post, asked, routes } = start(done);
    const response = await post(`/api/${action}`, '{"server":"10.0.0.1","action":"reload"}');
    expect(response.status).toBe(200);
    expect(asked).toEqual([[{ server: '10.0.0.1', action }, { source: '192.0.2.1' }]]);
    expect((await ask(routes, `/api/${action}`, { headers: bearer(TOKEN) })).status).toBe(405);
  });

  test.each([
    [{}, 415],
    [{ 'Content-Type': 'text/plain' }, 415],
    [{ 'Content-Type': 'application/x-www-form-urlencoded' }, 415],
    [{ 'Content-Type': 'application/jsonp' }, 415],
    [{ 'Content-Type': 'APPLICATION/JSON ; charset=utf-8' }, 200],
  ])('a body of the type %j is answered %i', async (headers, expected) => {
    const { post, asked } = start(done);
    expect((await post('/api/fs-drain', '{}', headers as Record<string, string>)).status).toBe(expected);
    expect(asked).toHaveLength(expected === 200 ? 1 : 0);
  });

  test.each(['', '{', '[]', 'null', '"a"', '1', '[{"server":"10.0.0.1"}]'])(
    'the body %j is answered 400',
    async (body) => {
      const { post, asked } = start(done);
      expect((await post('/api/fs-drain', body)).status).toBe(400);
      expect(asked).toEqual([]);
    },
  );

  test('need the token', async () => {
    const { routes, asked } = start(done);
    const response = await ask(routes, '/api/fs-drain', { method: 'POST', body: '{}', headers: JSON_TYPE });
    expect(response.status).toBe(401);
    expect(asked).toEqual([]);
  });
});

describe('a search', () => {
  async function* parts(...bindings: readonly (readonly number[])[]) {
    for (const some of bindings) yield { success: true, more: true, bindings: some };
    yield { success: true, more: false };
  }
  const numbers = (length: number) => Array.from({ length }, (_, i) => i);

  test('collects what is found', async () => {
    const { routes, asked, timers } = start(async () => parts([1, 2], [], [3]));
    const response = await ask(routes, '/api/reg-list?aor=alice&realm=a.test');
    expect(await response.json()).toEqual({ success: true, bindings: [1, 2, 3], complete: true, now: timers.now() });
    expect(asked).toEqual([[{ action: 'reg-list', aor: 'alice', realm: 'a.test' }, { source: '192.0.2.1' }]]);
  });

  test('ends at 100 bindings and reads nothing further', async () => {
    let ended = 0;
    async function* counted() {
      try {
        yield* parts(numbers(60), numbers(60), numbers(60));
      } finally {
        ended++;
      }
    }
    const { routes } = start(async () => counted());
    const answer: { bindings: number[]; complete: boolean } = JSON.parse(
      await (await ask(routes, '/api/reg-list')).text(),
    );
    expect([answer.bindings.length, answer.complete, ended]).toEqual([100, false, 1]);
  });

  test('of exactly 100 bindings is complete', async () => {
    const { routes } = start(async () => parts(numbers(100)));
    expect(await (await ask(routes, '/api/reg-list')).json()).toMatchObject({ complete: true });
  });

  test('ends after three seconds with what it has found', async () => {
    const { routes, timers } = start(async (_, signal) =>
      (async function* () {
        yield { success: true, more: true, bindings: [1] };
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        yield { success: true, more: false };
      })(),
    );
    const response = ask(routes, '/api/reg-list');
    await settle();
    timers.advance(3000);
    expect(await (await response).json()).toMatchObject({ bindings: [1], complete: false });
    expect(timers.pending).toBe(0);
  });

  test('is one of four at most', async () => {
    const held = Promise.withResolvers<AsyncIterable<object>>();
    const { routes } = start(() => held.promise);
    const four = Array.from({ length: 4 }, () => ask(routes, '/api/reg-list'));
    expect((await ask(routes, '/api/reg-list')).status).toBe(503);
    held.resolve(parts());
    for (const response of await Promise.all(four)) expect(response.status).toBe(200);
  });

  test('that is refused is answered 409', async () => {
    const refused = { success: false, error: 'Invalid IP address: x' };
    const { routes } = start(async () =>
      (async function* () {
        yield refused;
      })(),
    );
    const response = await ask(routes, '/api/reg-list?source=x');
    expect([response.status, await response.json()]).toEqual([409, refused]);
  });
});
