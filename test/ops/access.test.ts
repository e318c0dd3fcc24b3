import { describe, expect, test } from 'bun:test';
import { Access, type AccessPolicy } from '../../src/ops/access.ts';
import { json } from '../../src/ops/response.ts';
import type { Route } from '../../src/ops/route.ts';
import { RecordingLogger } from '../support/logger.ts';
import { secret } from '../support/secrets.ts';
import { ManualTimers } from '../support/timers.ts';
import { type Asked, ask, bearer } from './support.ts';

const TOKEN = secret('the token', 'token of all operators');
const WRONG = bearer('token of no operator');

const READ: Route = { method: 'GET', path: '/read', handle: () => json(200, {}) };
const ACT: Route = { method: 'POST', path: '/act', handle: () => json(200, {}) };

function start(policy: Partial<AccessPolicy> = {}) {
  const timers = new ManualTimers();
  const logger = new RecordingLogger();
  const access = new Access({ token: TOKEN, readable: true, ...policy }, timers, logger);
  const routes = [access.route(), ...access.readers([READ]), ...access.actors([ACT])];
  const status = async (method: 'GET' | 'POST', asked: Asked = {}) =>
    (await ask(routes, method === 'GET' ? '/read' : '/act', { ...asked, method })).status;
  const allowed = async (asked?: Asked) => (await ask(routes, '/api/access', asked)).json();
  return { timers, logger, routes, status, allowed };
}

describe('who may read and act', () => {
  test.each([
    // token, readable without it, headers; then the status of reading and of acting
    [TOKEN, true, {}, 200, 401],
    [TOKEN, true, bearer(TOKEN), 200, 200],
    [TOKEN, true, WRONG, 401, 401],
    [TOKEN, false, {}, 401, 401],
    [TOKEN, false, bearer(TOKEN), 200, 200],
    [TOKEN, false, WRONG, 401, 401],
    ['', true, {}, 200, 404],
    ['', true, bearer(''), 200, 404],
    ['', false, {}, 403, 404],
    ['', false, bearer(''), 403, 404],
  ])('with the token %j, reading open %j and %j: %i and %i', async (token, readable, headers, read, act) => {
    const { status } = start({ token, readable });
    expect([await status('GET', { headers }), await status('POST', { headers })]).toEqual([read, act]);
  });

  test.each([`Bearer ${TOKEN} `, `bearer ${TOKEN}`, `BEARER   ${TOKEN}`])('%j has the token', async (Authorization) => {
    expect(await start().status('POST', { headers: { Authorization } })).toBe(200);
  });

  test.each([
    TOKEN,
    `Basic ${TOKEN}`,
    `Bearer${TOKEN}`,
    'Bearer',
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(0, -1)}`,
    `Bearer ${TOKEN.toUpperCase()}`,
    `Bearer ${TOKEN}, Bearer ${TOKEN}`,
  ])('%j has not', async (Authorization) => {
    expect(await start().status('POST', { headers: { Authorization } })).toBe(401);
  });

  test('a client learns what it may do', async () => {
    expect(await start().allowed()).toEqual({ read: true, act: false, token: 'missing' });
    expect(await start().allowed({ headers: bearer(TOKEN) })).toEqual({ read: true, act: true, token: 'right' });
    expect(await start().allowed({ headers: WRONG })).toEqual({ read: false, act: false, token: 'wrong' });
    expect(await start({ readable: false }).allowed()).toEqual({ read: false, act: false, token: 'missing' });
    expect(await start({ token: '' }).allowed()).toEqual({ read: true, act: false, token: 'none' });
    expect(await start({ token: '', readable: false }).allowed()).toEqual({ read: false, act: false, token: 'none' });
  });
});

describe('another web page', () => {
  test.each([
    [{ 'Sec-Fetch-Site': 'same-origin', Origin: 'http://localhost:3001' }, 200],
    [{ 'Sec-Fetch-Site': 'none' }, 200],
    [{ Origin: 'https://localhost:3001' }, 200],
    [{ 'Sec-Fetch-Site': 'cross-site' }, 403],
    [{ 'Sec-Fetch-Site': 'same-site' }, 403],
    [{ Origin: 'http://evil.test' }, 403],
    [{ Origin: 'http://localhost:3002' }, 403],
    [{ Origin: 'http://localhost' }, 403],
    [{ Origin: 'null' }, 403],
    [{ Origin: '' }, 403],
    [{ 'Sec-Fetch-Site': 'same-origin', Origin: 'http://evil.test' }, 403],
  ])('%j is answered %i, with the right token too', async (headers, expected) => {
    const { status, routes } = start();
    expect(await status('GET', { headers })).toBe(expected);
    expect(await status('POST', { headers: { ...headers, ...bearer(TOKEN) } })).toBe(expected);
    expect((await ask(routes, '/api/access', { headers })).status).toBe(expected);
  });

  test('does not count as a wrong token', async () => {
    const { status } = start();
    const headers = { ...WRONG, Origin: 'http://evil.test' };
    for (let i = 0; i < 20; i++) await status('POST', { headers });
    expect(await status('POST', { headers: bearer(TOKEN) })).toBe(200);
  });
});

describe('wrong tokens', () => {
  test('are limited to ten a minute from one source, which the right one does not change', async () => {
    const { status, timers, routes } = start();
    for (let i = 0; i < 10; i++) expect(await status('POST', { headers: WRONG })).toBe(401);
    expect(await status('POST', { headers: WRONG })).toBe(429);
    expect(await status('POST', { headers: bearer(TOKEN) })).toBe(429);
    expect(await status('GET', { headers: bearer(TOKEN) })).toBe(429);
    expect(await status('GET')).toBe(200);
    expect(await status('POST', { headers: bearer(TOKEN), from: '192.0.2.2' })).toBe(200);
    const limited = await ask(routes, '/act', { method: 'POST', headers: WRONG });
    expect(limited.headers.get('Retry-After')).toBe('60');
    timers.advance(60_000);
    expect(await status('POST', { headers: bearer(TOKEN) })).toBe(200);
  });

  test('of a network of IPv6 count together, and those of a thousand sources are counted apart', async () => {
    const { status } = start();
    for (let i = 0; i < 10; i++) await status('POST', { headers: WRONG, from: `2001:db8::${i}` });
    expect(await status('POST', { headers: WRONG, from: '2001:db8::99' })).toBe(429);
    for (let i = 0; i < 1100; i++) await status('POST', { headers: WRONG, from: `10.0.${i >> 8}.${i & 255}` });
    // Its source is one of those that are counted together.
    expect(await status('POST', { headers: WRONG, from: '10.9.9.9' })).toBe(429);
    expect(await status('POST', { headers: WRONG, from: '10.0.0.1' })).toBe(401);
  });

  test('are one warning a minute for a source, 20 in all', async () => {
    const { status, logger } = start();
    for (let i = 0; i < 5; i++) await status('POST', { headers: WRONG });
    expect(logger.lines).toEqual([
      { level: 'warn', fields: { source: '192.0.2.1' }, message: 'wrong HTTP_ADMIN_TOKEN' },
    ]);
    for (let i = 0; i < 50; i++) await status('POST', { headers: WRONG, from: `10.0.0.${i}` });
    expect(logger.lines).toHaveLength(20);
  });
});
