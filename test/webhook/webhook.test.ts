import { afterAll, describe, expect, test } from 'bun:test';
import { createServer } from 'node:net';
import { type User, webhookServer } from '../../examples/webhook-server.ts';
import { WebhookAuthenticator } from '../../src/webhook/index.ts';
import { openCore } from '../support/core.ts';
import { headerOf, Phone, pipeline, type RegisterFields } from '../support/phone.ts';

const REALM = 'hook.example.com';
const users: User[] = [
  { username: 'carol', realm: REALM, password: 'singer', expires: 120, call_hook: 'https://example.com/call' },
  { username: 'dave', realm: REALM, password: 'd', allow_direct_app_calling: true },
];
const customer = webhookServer({
  port: 0,
  hostname: '127.0.0.1',
  secret: 'shh',
  users,
  basicAuth: { username: 'u', password: 'p' },
});
afterAll(() => customer.stop());

function account(url: string, more = '') {
  return `[[account]]\nrealm = "${REALM}"\n[account.webhook]\nurl = "${url}"\nsecret = "shh"\nusername = "u"\npassword = "p"\n${more}`;
}

function phone(core: ReturnType<typeof openCore>, user = 'carol', password = 'singer') {
  return new Phone(pipeline(core.rules), user, password, REALM);
}

const tcp = 'SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK1';

describe('a webhook', () => {
  for (const method of ['POST', 'GET'] as const)
    test(`called by ${method} grants a registration with its own expiry and call hooks`, async () => {
      const core = openCore({}, account(customer.url, `method = "${method}"`));
      // The server checks the age of the signature.
      core.clock.advance(Date.now() - core.clock.now());
      const answer = await phone(core).register({ via: tcp, expires: '600', callId: 'call-carol' });
      expect(answer).toMatchObject({ status: 200, headers: { Expires: '120' } });
      const { bindings } = await core.rules.location.lookup({ user: 'carol', realm: REALM }, { countRealm: false });
      expect(bindings[0]?.grant).toEqual({
        callHook: 'https://example.com/call',
        allowDirectAppCalling: false,
        allowDirectQueueCalling: false,
        allowDirectUserCalling: false,
      });
      const { fields } = customer.requests.at(-1) ?? {};
      expect(fields).toMatchObject({
        source_address: '192.0.2.7',
        method: 'REGISTER',
        scheme: 'digest',
        username: 'carol',
        realm: REALM,
        qop: 'auth',
        nc: '00000001',
        algorithm: 'MD5',
      });
      expect(Number(fields?.source_port)).toBe(5060);
      expect(Number(fields?.expires)).toBe(600);
      if (method === 'POST') expect(fields?.headers).toMatchObject({ 'call-id': 'call-carol' });
      else expect(fields).not.toHaveProperty('headers');
    });

  test('that denies a wrong password makes the usual 403', async () => {
    const core = openCore({}, account(customer.url));
    core.clock.advance(Date.now() - core.clock.now());
    const answer = await phone(core, 'carol', 'wrong').register();
    expect(answer).toEqual({ status: 403, headers: { 'X-Reason': 'Invalid credentials' } });
    expect(core.alerts).toEqual([]);
  });

  test('is not called for a nonce that was used or has expired', async () => {
    const core = openCore({}, account(customer.url));
    core.clock.advance(Date.now() - core.clock.now());
    const carol = phone(core);
    const challenged = await carol.send();
    const authorization = carol.answer(challenged);
    expect((await carol.send({ authorization })).status).toBe(200);
    const calls = customer.requests.length;
    const elsewhere: RegisterFields = { authorization, contact: '<sip:thief@198.51.100.1>', callId: 'thief' };
    expect((await carol.send(elsewhere)).status).toBe(401);
    core.clock.advance(300_001);
    const old = await carol.send({ authorization: carol.answer(challenged), callId: 'old', expires: '0' });
    expect(headerOf(old, 'WWW-Authenticate')).toContain('stale=true');
    expect(customer.requests.length).toBe(calls);
  });
});

/** Starts a web server that gives the same response to every request. @returns its URL */
function answering(response: () => Response | Promise<Response>) {
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: response });
  afterAll(() => server.stop(true));
  return server.url.href;
}

describe('a webhook response', () => {
  const ok = (more: object) => () => Response.json({ status: 'OK', ...more });
  const cases: [string, () => Response | Promise<Response>, number, string | undefined][] = [
    ['400', () => new Response('no', { status: 400 }), 403, 'returned 400'],
    ['404', () => new Response('no', { status: 404 }), 403, 'returned 404'],
    ['500', () => new Response('oops', { status: 500 }), 503, 'returned 500'],
    ['204', () => new Response(null, { status: 204 }), 503, 'returned 204'],
    ['302', () => new Response(null, { status: 302, headers: { Location: '/' } }), 503, 'returned 302'],
    ['a body that is not JSON', () => new Response('<html>'), 503, 'returned 200'],
    ['an array', () => Response.json([]), 503, 'returned 200'],
    ['no status', () => Response.json({ expires: 60 }), 503, 'returned 200'],
    ['a status of another type', () => Response.json({ status: 1 }), 503, 'returned 200'],
    ['an expiry that is not a number', ok({ expires: 'soon' }), 503, 'returned 200'],
    ['a hook of 5 kB', ok({ call_hook: 'x'.repeat(5000) }), 503, 'returned 200'],
    ['a body over 64 KiB', ok({ msg: 'x'.repeat(65_536) }), 503, 'returned 200'],
    [
      'an endless body',
      () => new Response(new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(65_536)) })),
      503,
      'returned 200',
    ],
    ['an unknown verdict', () => Response.json({ status: 'maybe' }), 403, undefined],
  ];
  test.each(cases)('with %s decides the status of the REGISTER', async (_, response, status, alert) => {
    const core = openCore({}, account(answering(response)));
    const answer = await phone(core).register();
    expect(answer.status).toBe(status);
    expect(headerOf(answer, 'Retry-After')).toBe(status === 503 ? '5' : undefined);
    if (alert === undefined) expect(core.alerts).toEqual([]);
    else expect(core.alerts).toMatchObject([{ type: 'webhook-failure', message: expect.stringContaining(alert) }]);
  });

  test('that never comes, because the server is down, makes a 503 and an alert', async () => {
    const core = openCore({}, account('http://127.0.0.1:1/auth'));
    expect(await phone(core).register()).toMatchObject({ status: 503, headers: { 'Retry-After': '5' } });
    expect(core.alerts).toEqual([
      {
        type: 'webhook-connection-failure',
        accountSid: expect.any(String),
        message: 'failed to connect to http://127.0.0.1:1/auth',
      },
    ]);
  });

  test('that never comes, because the server hangs or closes the connection, makes a 503 and an alert', async () => {
    for (const reaction of ['silence', 'hang up'] as const) {
      const server = createServer((socket) => {
        if (reaction === 'hang up') socket.on('data', () => socket.destroy());
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as { port: number };
      const core = openCore({}, account(`http://127.0.0.1:${port}/`));
      const webhook = new WebhookAuthenticator({
        timeoutMs: 100,
        concurrency: 5,
        alerts: core.rules.alerts,
        clock: core.clock,
      });
      const answer = await new Phone(pipeline({ ...core.rules, webhook }), 'carol', 'x', REALM).register();
      expect(answer.status).toBe(503);
      expect(core.alerts).toMatchObject([{ type: 'webhook-connection-failure' }]);
      server.close();
    }
  });

  test('may add headers to the 403, but none of the SIP stack’s and none with line breaks', async () => {
    const headers = {
      'X-Hint': 'try harder',
      Via: 'SIP/2.0/UDP evil',
      'Content-Length': '5',
      'X-Break': 'a\r\nX-Evil: 1',
      'bad name': 'x',
    };
    const core = openCore({}, account(answering(() => Response.json({ status: 'fail', headers }))));
    const answer = await phone(core).register();
    expect(answer.headers).toEqual({ 'X-Reason': 'Invalid credentials', 'X-Hint': 'try harder' });
  });

  test('may report the source as a spammer', async () => {
    const core = openCore({}, account(answering(() => Response.json({ status: 'fail', blacklist: true }))));
    const answer = await phone(core).register();
    expect(headerOf(answer, 'X-Reason')).toBe('detected potential spammer from 192.0.2.7:5060');
  });

  test('may have numbers as strings and flags as 0 and 1; an expiry of 0 sets no limit', async () => {
    const reply = () =>
      Response.json({ status: 'ok', expires: '90', allow_direct_app_calling: 1, allow_direct_user_calling: 0 });
    const core = openCore({}, account(answering(reply)));
    expect(headerOf(await phone(core).register({ via: tcp }), 'Expires')).toBe('90');
    const unlimited = openCore({}, account(answering(() => Response.json({ status: 'ok', expires: 0 }))));
    expect(headerOf(await phone(unlimited).register({ via: tcp }), 'Expires')).toBe('600');
  });
});

test('a slow webhook does not delay other accounts', async () => {
  const waiting = Promise.withResolvers<void>();
  let called = 0;
  const slow = answering(() => {
    called++;
    return waiting.promise.then(() => Response.json({ status: 'ok' }));
  });
  const toml = `${account(slow)}\n[[account]]\nrealm = "fast.example.com"\n[account.webhook]\nurl = "${answering(() => Response.json({ status: 'ok' }))}"`;
  const core = openCore({}, toml);
  const concurrency = 4;
  const webhook = new WebhookAuthenticator({
    timeoutMs: 5000,
    concurrency,
    alerts: core.rules.alerts,
    clock: core.clock,
  });
  const rules = { ...core.rules, webhook };

  const stuck = Array.from({ length: 60 }, (_, i) => new Phone(pipeline(rules), `u${i}`, 'x', REALM).register());
  const fast = await new Phone(pipeline(rules), 'quick', 'x', 'fast.example.com').register();
  expect(fast.status).toBe(200);
  expect(called).toBeLessThanOrEqual(concurrency);

  // Of the sixty, four run and forty wait; the others are refused at once.
  const refused = (await Promise.all(stuck.slice(-10))).map((a) => a.status);
  expect(refused).toEqual(Array(10).fill(503));
  waiting.resolve();
  await Promise.all(stuck);
});
