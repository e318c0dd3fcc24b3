import { describe, expect, test } from 'bun:test';
import type { Socket } from 'node:net';
import { answerOf, openWebhooks, rawServer } from './support.ts';

const FAILURES = 5;
const PAUSE_MS = 5_000;

const answer = (status: string, body?: string) => (socket: Socket) => void socket.write(answerOf(status, body));
const ok = answer('200 OK');

/** A web server whose behaviour a test changes. */
async function changingServer(react: (socket: Socket) => void) {
  const behaviour = { react };
  return { behaviour, ...(await rawServer((socket) => behaviour.react(socket))) };
}

/** A webhook that has failed often enough. */
async function openCircuit(options: { concurrency?: number } = {}) {
  const server = await changingServer(answer('500 Oops'));
  const hook = openWebhooks(server.url, options);
  for (let i = 0; i < FAILURES; i++) await hook.register();
  return { server, ...hook };
}

describe('a webhook that is down', () => {
  const failures: [string, (socket: Socket) => void][] = [
    ['status 500', answer('500 Oops')],
    ['status 503', answer('503 Busy')],
    ['no response', (socket) => socket.destroy()],
    ['a response that ends early', (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{')],
    ['no HTTP', (socket) => socket.end('SSH-2.0-OpenSSH\r\n\r\n')],
  ];
  test.each(failures)('%s: is not called after five failures in a row', async (_, react) => {
    const server = await changingServer(react);
    const { register, webhook, lines, alerts } = openWebhooks(server.url);
    for (let i = 0; i < FAILURES; i++) {
      expect(webhook.down).toEqual([]);
      expect(await register()).toBe(503);
    }
    expect(webhook.down).toHaveLength(1);
    const { length } = alerts;
    for (let i = 0; i < 3; i++) expect(await register()).toBe(503);
    expect(server.requests).toHaveLength(FAILURES);
    expect(alerts).toHaveLength(length);
    expect(lines().map(({ level }) => level)).toEqual(['warn']);
  });

  test('is one that refuses connections, too', async () => {
    const { register, webhook } = openWebhooks('http://127.0.0.1:1/');
    for (let i = 0; i < FAILURES; i++) expect(await register()).toBe(503);
    expect(webhook.down).toHaveLength(1);
  });

  test('refuses phones with the failure that brought it down', async () => {
    const { register, events } = openWebhooks('http://127.0.0.1:1/');
    for (let i = 0; i <= FAILURES; i++) await register();
    const detail = expect.stringMatching(/^the webhook is down: connect ECONNREFUSED /);
    expect(events.at(-1)).toMatchObject({ type: 'refused', reason: 'WebhookFailed', detail });
  });

  test('is one that does not answer in time, too, and phones do not wait for it then', async () => {
    const server = await changingServer(() => {});
    const { register, webhook, clock } = openWebhooks(server.url);
    const calls = Array.from({ length: FAILURES }, () => register());
    await server.received(FAILURES);
    clock.advance(4999);
    expect(webhook.down).toEqual([]);
    clock.advance(1);
    expect(await Promise.all(calls)).toEqual(Array(FAILURES).fill(503));
    expect(await register()).toBe(503);
    expect(server.requests).toHaveLength(FAILURES);
  });

  const answers: [string, (socket: Socket) => void, number][] = [
    ['400', answer('400 Bad'), 403],
    ['404', answer('404 Not Found'), 403],
    ['429', answer('429 Slow Down'), 403],
    ['302', answer('302 Found'), 503],
    ['204', (socket) => void socket.write('HTTP/1.1 204 No Content\r\n\r\n'), 503],
    ['200 with nonsense', answer('200 OK', '<html>'), 503],
    ['200 that denies', answer('200 OK', '{"status":"fail"}'), 403],
  ];
  test.each(answers)('is not one that answers %s', async (_, react, status) => {
    const server = await changingServer(react);
    const { register, webhook } = openWebhooks(server.url);
    for (let i = 0; i < 3 * FAILURES; i++) expect(await register()).toBe(status);
    expect(server.requests).toHaveLength(3 * FAILURES);
    expect(webhook.down).toEqual([]);
  });

  test('is not one that fails now and then', async () => {
    const server = await changingServer(ok);
    const { register, webhook } = openWebhooks(server.url);
    for (let i = 0; i < 5; i++) {
      server.behaviour.react = answer('500 Oops');
      for (let failure = 1; failure < FAILURES; failure++) expect(await register()).toBe(503);
      server.behaviour.react = ok;
      expect(await register()).toBe(200);
    }
    expect(webhook.down).toEqual([]);
  });

  test('does not concern other accounts', async () => {
    const { register, otherRealm, webhook, server } = await openCircuit();
    expect(await register({ realm: otherRealm })).toBe(503);
    expect(server.requests).toHaveLength(FAILURES + 1);
    expect(webhook.down).toHaveLength(1);
  });

  test('is asked by one call after 5 s, while others are refused at once, and is called again when that succeeds', async () => {
    const { server, register, clock, webhook, lines } = await openCircuit();
    clock.advance(PAUSE_MS - 1);
    expect(await register()).toBe(503);
    expect(server.requests).toHaveLength(FAILURES);
    clock.advance(1);
    const held: Socket[] = [];
    server.behaviour.react = (socket) => void held.push(socket);
    const probe = register();
    await server.received(FAILURES + 1);
    expect(await Promise.all([register(), register()])).toEqual([503, 503]);
    expect(webhook.down).toHaveLength(1);
    server.behaviour.react = ok;
    for (const socket of held) ok(socket);
    expect(await probe).toBe(200);
    expect(webhook.down).toEqual([]);
    expect(await Promise.all([register(), register()])).toEqual([200, 200]);
    expect(lines().map(({ level }) => level)).toEqual(['warn', 'info']);
  });

  test('is down for 5 s more after each probe that fails, with one line when it begins and one when it ends', async () => {
    const { server, register, clock, lines, realm } = await openCircuit();
    for (let probes = 1; probes <= 4; probes++) {
      clock.advance(PAUSE_MS);
      expect(await register()).toBe(503);
      expect(await register()).toBe(503);
      expect(server.requests).toHaveLength(FAILURES + probes);
    }
    server.behaviour.react = ok;
    clock.advance(PAUSE_MS);
    expect(await register()).toBe(200);
    const account = expect.any(String);
    expect(lines()).toMatchObject([
      { level: 'warn', fields: { account, realm, url: server.url, why: 'status 500' } },
      { level: 'info', fields: { account, realm, url: server.url, outageSeconds: 25 } },
    ]);
  });

  test('refuses at once also those who would wait for the end of the probe', async () => {
    const { server, register, clock } = await openCircuit({ concurrency: 1 });
    clock.advance(PAUSE_MS);
    const held: Socket[] = [];
    server.behaviour.react = (socket) => void held.push(socket);
    const probe = register();
    await server.received(FAILURES + 1);
    expect(await register({ address: '192.0.2.8' })).toBe(503);
    for (const socket of held) ok(socket);
    expect(await probe).toBe(200);
  });

  test('is asked again although the time of day went back', async () => {
    const { server, register, clock } = await openCircuit();
    clock.skew -= 86_400_000;
    clock.advance(PAUSE_MS);
    server.behaviour.react = ok;
    expect(await register()).toBe(200);
  });

  test('is not asked before its time although the time of day went on', async () => {
    const { server, register, clock } = await openCircuit();
    clock.skew += 86_400_000;
    clock.advance(PAUSE_MS - 1);
    expect(await register()).toBe(503);
    expect(server.requests).toHaveLength(FAILURES);
  });
});

test('calls whose turn comes when the webhook is down already are not made', async () => {
  const held: Socket[] = [];
  const server = await changingServer((socket) => void held.push(socket));
  const { register, alerts } = openWebhooks(server.url, { concurrency: FAILURES });
  const calls = Array.from({ length: 20 }, (_, i) => register({ address: `192.0.2.${i}` }));
  await server.received(FAILURES);
  server.behaviour.react = answer('500 Oops');
  for (const socket of held) server.behaviour.react(socket);
  expect(await Promise.all(calls)).toEqual(Array(20).fill(503));
  // A turn came with each failure but the last.
  expect(server.requests.length).toBeLessThan(2 * FAILURES);
  // And those that were not made are no failures of the webhook.
  expect(alerts).toHaveLength(server.requests.length);
});

describe('of calls that had to wait for their turn', () => {
  /** One call takes `firstMs`, and so long the others wait. */
  async function waiting(firstMs: number) {
    const held: Socket[] = [];
    const server = await changingServer((socket) => void held.push(socket));
    const hook = openWebhooks(server.url, { concurrency: 1, timeoutMs: 5000 });
    const calls = Array.from({ length: 1 + FAILURES }, (_, i) => hook.register({ address: `192.0.2.${i}` }));
    await server.received(1);
    hook.clock.advance(firstMs);
    return { ...hook, server, calls, first: () => held.forEach(ok) };
  }

  test.each([
    [2500, 1],
    [2501, 0],
  ])('for %i of 5000 ms, a time-out counts as a failure: %i', async (waitedMs, failures) => {
    const { server, calls, first, clock, webhook, register } = await waiting(waitedMs);
    first();
    await server.received(2);
    clock.advance(5000 - waitedMs);
    await Promise.all(calls);
    expect(webhook.down).toEqual([]);
    server.behaviour.react = answer('500 Oops');
    for (let i = failures; i < FAILURES - 1; i++) await register();
    expect(webhook.down).toEqual([]);
    await register();
    expect(webhook.down).toHaveLength(1);
  });

  test('any other failure counts', async () => {
    const { server, calls, first, webhook } = await waiting(4000);
    server.behaviour.react = answer('500 Oops');
    first();
    await Promise.all(calls);
    expect(webhook.down).toHaveLength(1);
  });
});
