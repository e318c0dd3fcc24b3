import { afterAll, describe, expect, test } from 'bun:test';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type User, webhookServer } from '../../examples/webhook-server.ts';
import { systemTimers } from '../../src/lib/timers.ts';
import { NO_METRICS } from '../../src/ports/metrics.ts';
import { register } from '../../src/register/index.ts';
import { WebhookAuthenticator } from '../../src/webhook/index.ts';
import { openCore } from '../support/core.ts';
import { headerOf, Phone, pipeline, type RegisterFields } from '../support/phone.ts';
import { composeRequest, receivedRequest } from '../support/sip-request.ts';

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

/** A source for each phone: one may have only a part of the calls of an account. */
const from = (i: number): RegisterFields => ({ source: { address: `198.51.100.${i}` } });

const tcp = 'SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK1';

describe('a webhook', () => {
  for (const method of ['POST', 'GET'] as const)
    test(`called by ${method} grants a registration with its own expiry and call hooks`, async () => {
      const core = openCore({}, account(customer.url, `method = "${method}"`));
      // The server checks the age of the signature.
      core.clock.advance(Date.now() - core.clock.now());
      const answer = await phone(core).register({ via: tcp, expires: '600', callId: 'call-carol' });
      expect(answer).toMatchObject({ status: 200, headers: { Expires: '120' } });
      const { bindings } = await core.rules.location.lookup({ user: 'carol', realm: REALM }, { several: false });
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

  test('is told the expiry of the most preferred Contact', async () => {
    const told: unknown[] = [];
    const granting = answering(async (request) => {
      const body = (await request.json()) as { expires: unknown };
      told.push(body.expires);
      return Response.json({ status: 'ok' });
    });
    const contact = '<sip:a@192.0.2.1>;expires=100;q=0.5, <sip:b@192.0.2.2>;expires=200';
    await phone(openCore({}, account(granting))).register({ contact });
    expect(told).toEqual([200]);
  });

  test('is not called for a nonce-count that was used before', async () => {
    let calls = 0;
    const granting = answering(() => {
      calls++;
      return Response.json({ status: 'ok' });
    });
    const carol = phone(openCore({}, account(granting)));
    const authorization = carol.answer(await carol.send());
    expect((await carol.send({ authorization })).status).toBe(200);
    const replayed = await carol.send({ authorization, contact: '<sip:thief@198.51.100.1>' });
    expect(replayed.status).toBe(401);
    expect(headerOf(replayed, 'WWW-Authenticate')).toEndWith(', stale=true');
    expect(calls).toBe(1);
  });
});

/** Starts a web server that answers every request so. @returns its URL */
function answering(response: (request: Request) => Response | Promise<Response>) {
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
        detail: expect.stringContaining('ECONNREFUSED'),
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
        metrics: NO_METRICS,
        timers: systemTimers,
        logger: core.logger,
      });
      const answer = await new Phone(pipeline({ ...core.rules, webhook }), 'carol', 'x', REALM).register();
      expect(answer.status).toBe(503);
      expect(core.alerts).toMatchObject([{ type: 'webhook-connection-failure' }]);
      server.close();
    }
  });

  test('may add headers to the 403 that explain it, and no others', async () => {
    const passedOn = {
      'X-Hint': 'try harder',
      'P-Charging-Vector': 'icid-value=1',
      reason: 'Q.850;cause=21',
      Warning: '399 example.com "no credit"',
      'Error-Info': '<sip:announcement@example.com>',
      'Retry-After': 60,
    };
    const others = {
      Via: 'SIP/2.0/UDP evil',
      v: 'SIP/2.0/UDP evil',
      'Content-Length': '5',
      Contact: '<sip:evil@example.com>',
      'Proxy-Authenticate': 'Digest realm="x"',
      'Authentication-Info': 'nextnonce="x"',
      Path: '<sip:evil>',
      'Service-Route': '<sip:evil>',
      Expires: '1',
      Date: 'x',
      Unknown: 'x',
      XHint: 'x',
      'X-': 'x',
      'X-Break': 'a\r\nX-Evil: 1',
      'X bad': 'x',
      constructor: 'x',
    };
    const core = openCore(
      {},
      account(answering(() => Response.json({ status: 'fail', headers: { ...others, ...passedOn } }))),
    );
    const answer = await phone(core).register();
    expect(answer.headers).toEqual({ 'X-Reason': 'Invalid credentials', ...passedOn, 'Retry-After': '60' });
  });

  test('may replace X-Reason, in whatever case', async () => {
    const headers = { 'x-reason': 'not today', 'X-hint': 'a', 'X-HINT': 'b' };
    const core = openCore({}, account(answering(() => Response.json({ status: 'fail', headers }))));
    expect((await phone(core).register()).headers).toEqual({ 'X-Reason': 'not today', 'X-HINT': 'b' });
  });

  test('is stored with its lone surrogates replaced', async () => {
    const body = String.raw`{"status":"ok","call_hook":{"\ud800":"a\ud800b","nested":["\udc00","\ud83d\ude00"]},"allow_direct_app_calling":"\udfff"}`;
    const core = openCore({}, account(answering(() => new Response(body))));
    expect((await phone(core).register()).status).toBe(200);
    const { bindings } = await core.rules.location.lookup({ user: 'carol', realm: REALM }, { several: false });
    expect(bindings[0]?.grant).toMatchObject({
      callHook: { '\ufffd': 'a\ufffdb', nested: ['\ufffd', '😀'] },
      allowDirectAppCalling: '\ufffd',
    });
    const denied = String.raw`{"status":"fail","headers":{"X-Hint":"a\ud800"}}`;
    const refusing = openCore({}, account(answering(() => new Response(denied))));
    expect(headerOf(await phone(refusing).register(), 'X-Hint')).toBe('a\ufffd');
  });

  test.each([
    [32, 200],
    [33, 503],
    [2000, 503],
    [30_000, 503],
  ])('with a call hook of %d lists, each in the one before, makes a %d', async (levels, status) => {
    const body = `{"status":"ok","call_hook":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    const core = openCore({}, account(answering(() => new Response(body))));
    expect((await phone(core).register()).status).toBe(status);
  });

  const permissions: [unknown, unknown][] = [
    [undefined, false],
    [true, true],
    [false, false],
    [1, 1],
    [0, 0],
    ['yes', 'yes'],
    ['', ''],
    [{ a: [1] }, { a: [1] }],
  ];
  test.each(permissions)('has its permission %p stored as %p', async (value, stored) => {
    const reply = () => Response.json({ status: 'ok', allow_direct_queue_calling: value });
    const core = openCore({}, account(answering(reply)));
    await phone(core).register();
    const row = core.database.query<{ json: string }, []>('SELECT json FROM bindings').get();
    const json = JSON.parse(row?.json ?? '');
    expect(json.allow_direct_queue_calling).toEqual(stored);
    const { bindings } = await core.rules.location.lookup({ user: 'carol', realm: REALM }, { several: false });
    expect(bindings[0]?.grant.allowDirectQueueCalling).toEqual(stored);
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

describe('the digest user name', () => {
  /** Accepts whoever asks, and keeps what was asked. */
  function credulous() {
    const asked: Record<string, unknown>[] = [];
    const url = answering(async (request) => {
      const fields =
        request.method === 'POST' ? await request.json() : Object.fromEntries(new URL(request.url).searchParams);
      asked.push(fields as Record<string, unknown>);
      return Response.json({ status: 'ok' });
    });
    return { asked, url };
  }

  test.each(['ALICE', 'Alice', 'alicé', 'alice ', 'bob'])(
    '%p is not alice, and the webhook is not asked',
    async (name) => {
      const { asked, url } = credulous();
      const alice = phone(openCore({}, account(url)), 'alice', 'x');
      const challenged = await alice.send();
      expect((await alice.send({ authorization: alice.answer(challenged, { username: name }) })).status).toBe(403);
      expect(asked).toEqual([]);
    },
  );

  for (const method of ['POST', 'GET'] as const)
    for (const [allowAuthUser, status] of [
      [false, 403],
      ['webhook', 200],
      [true, 200],
    ] as const)
      test(`by ${method}, allowed: ${allowAuthUser}: bob’s credentials get ${status} for alice’s AOR`, async () => {
        const { asked, url } = credulous();
        const core = openCore({ allowAuthUser }, account(url, `method = "${method}"`));
        const bob = phone(core, 'bob', 'x');
        const answer = await bob.register({ to: `<sip:alice@${REALM}>` });
        expect(answer.status).toBe(status);
        if (status === 403) expect(asked).toEqual([]);
        else expect(asked).toMatchObject([{ username: 'bob', aor: `alice@${REALM}` }]);
        expect((await bob.register({ callId: 'own' })).status).toBe(200);
        if (status === 403) expect(asked.at(-1)).not.toHaveProperty('aor');
        else expect(asked.at(-1)).toMatchObject({ username: 'bob', aor: `bob@${REALM}` });
      });
});

test('a webhook call has each header of the request, whatever its name, and letters beyond ASCII whole', async () => {
  const calls: { length: number; body: string }[] = [];
  const url = answering(async (request) => {
    const bytes = await request.arrayBuffer();
    calls.push({ length: Number(request.headers.get('content-length')), body: Buffer.from(bytes).toString() });
    return Response.json({ status: 'ok' });
  });
  const core = openCore({}, account(url));
  const carol = phone(core);
  const challenged = await carol.send();
  const fields = { From: `<sip:carol@${REALM}>;tag=1`, To: `<sip:carol@${REALM}>`, Contact: `<${carol.contact}>` };
  const names = ['X-Name: José 中文 😀', 'Constructor: c', 'constructor: d', '__proto__: p', 'toString: t'];
  const text = composeRequest(
    'REGISTER',
    `sip:${REALM}`,
    { ...fields, Authorization: carol.answer(challenged) },
    { extra: names.map((line) => `${line}\r\n`).join('') },
  );
  const request = receivedRequest(text, { transport: 'udp', address: '192.0.2.7', port: 5060 });
  expect((await register(core.rules, request)).status).toBe(200);
  const [call] = calls;
  expect(call?.length).toBe(Buffer.byteLength(call?.body ?? ''));
  expect(Object.entries(JSON.parse(call?.body ?? '').headers)).toEqual(
    expect.arrayContaining([
      ['X-Name', 'José 中文 😀'],
      ['constructor', 'c,d'],
      ['__proto__', 'p'],
      ['tostring', 't'],
    ]),
  );
});

test('a webhook call repeats opaque and algorithm, and names its sender; headers keep the case that customers know', async () => {
  const calls: { fields: unknown; userAgent: string | null }[] = [];
  const url = answering(async (request) => {
    calls.push({ fields: await request.json(), userAgent: request.headers.get('user-agent') });
    return new Response('no', { status: 500 });
  });
  const core = openCore({ algorithms: ['SHA-256'] }, account(url));
  const webhook = new WebhookAuthenticator({
    timeoutMs: 2000,
    concurrency: 1,
    userAgent: 'platform/1',
    alerts: core.rules.alerts,
    metrics: NO_METRICS,
    timers: core.clock,
    logger: core.logger,
  });
  const { directory } = core.rules;
  const rules = {
    ...core.rules,
    webhook,
    directory: {
      client: directory.client.bind(directory),
      deviceLimit: directory.deviceLimit.bind(directory),
      accountByRealm: async (realm: string) => {
        const found = await directory.accountByRealm(realm);
        return found && { ...found, serviceProviderSid: 'sp' };
      },
    },
  };
  const carol = new Phone(pipeline(rules), 'carol', 'x', REALM);
  const authorization = `${carol.answer(await carol.send())}, opaque="o"`;
  const names = ['X-Case', 'P-Charging-Vector', 'P-Asserted-Identity', 'Diversion', 'Supported'];
  const headers = Object.fromEntries(names.map((name) => [name, 'x']));
  expect((await carol.send({ authorization, headers })).status).toBe(503);
  expect(calls).toMatchObject([{ fields: { opaque: 'o', algorithm: 'SHA-256' }, userAgent: 'platform/1' }]);
  expect(calls).toMatchObject([
    {
      fields: {
        headers: {
          'X-Case': 'x',
          'P-Charging-Vector': 'x',
          'p-asserted-identity': 'x',
          Diversion: 'x',
          supported: 'x',
        },
      },
    },
  ]);
  expect(core.alerts).toMatchObject([{ type: 'webhook-failure', serviceProviderSid: 'sp' }]);
});

test('of the headers of a refusal twenty are passed on, none of over 1024 characters', async () => {
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`X-${i}`, 'v']));
  const headers = { 'X-Long': 'x'.repeat(1025), 'X-Full': 'x'.repeat(1024), ...many };
  const core = openCore({}, account(answering(() => Response.json({ status: 'fail', headers }))));
  const passedOn = Object.keys((await phone(core).register()).headers ?? {});
  expect(passedOn).toHaveLength(1 + 20);
  expect(passedOn).toContain('X-Full');
  expect(passedOn).not.toContain('X-Long');
});

test('both call hooks are stored', async () => {
  const reply = { status: 'ok', call_hook: 'https://a.example', call_status_hook: { url: 'https://b.example' } };
  const core = openCore({}, account(answering(() => Response.json(reply))));
  await phone(core).register();
  const { bindings } = await core.rules.location.lookup({ user: 'carol', realm: REALM }, { several: false });
  expect(bindings[0]?.grant).toMatchObject({
    callHook: 'https://a.example',
    callStatusHook: { url: 'https://b.example' },
  });
});

describe('a kept connection', () => {
  /** A web server that speaks raw bytes. `reactions`: what it does with each request of a connection, in order. */
  async function server(...reactions: ((socket: Socket) => void)[]) {
    const seen: number[] = [];
    let connections = 0;
    const listener = createServer((socket) => {
      const connection = ++connections;
      let requests = 0;
      let text = '';
      socket.on('error', () => {});
      socket.on('data', (data) => {
        text += data;
        const [head = '', body] = text.split('\r\n\r\n');
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
        if (body === undefined || Buffer.byteLength(body) < length) return;
        text = '';
        seen.push(connection);
        const reaction = connection === 1 ? reactions[requests++] : ok;
        (reaction ?? ok)(socket);
      });
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    afterAll(() => listener.close());
    const { port } = listener.address() as AddressInfo;
    return { url: `http://127.0.0.1:${port}/`, seen };
  }
  const body = JSON.stringify({ status: 'ok' });
  const ok = (socket: Socket) => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const close = (socket: Socket) => socket.destroy();
  const half = (socket: Socket) => socket.end('HTTP/1.1 2');

  /** Two REGISTERs that call the webhook, one after the other. */
  async function registerTwice(url: string, method: string) {
    const core = openCore({}, account(url, `method = "${method}"`));
    const carol = phone(core);
    const statuses = [];
    for (const callId of ['a', 'b']) {
      statuses.push((await carol.register({ callId, contact: `<sip:carol@${callId}.example.com>` })).status);
      // The connection goes back to the pool in a later turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return { statuses, alerts: core.alerts };
  }

  for (const method of ['POST', 'GET']) {
    test(`that the server closes as we send is replaced once: ${method}`, async () => {
      const { url, seen } = await server(ok, close);
      expect(await registerTwice(url, method)).toEqual({ statuses: [200, 200], alerts: [] });
      expect(seen).toEqual([1, 1, 2]);
    });

    test(`that ends within a response is not: ${method}`, async () => {
      const { url, seen } = await server(ok, half);
      expect((await registerTwice(url, method)).statuses).toEqual([200, 503]);
      expect(seen).toEqual([1, 1]);
    });

    test(`a new connection that fails is not replaced: ${method}`, async () => {
      const { url, seen } = await server(close);
      expect((await registerTwice(url, method)).statuses).toEqual([503, 200]);
      expect(seen).toEqual([1, 2]);
    });
  }
});

test('the deadline of a call runs while it waits for its turn, and calls beyond the bound are refused at once', async () => {
  let called = 0;
  const hanging = Promise.withResolvers<Response>();
  const url = answering(() => {
    called++;
    return hanging.promise;
  });
  const core = openCore({}, account(url));
  const webhook = new WebhookAuthenticator({
    timeoutMs: 300,
    concurrency: 1,
    alerts: core.rules.alerts,
    metrics: NO_METRICS,
    timers: systemTimers,
    logger: core.logger,
  });
  const rules = { ...core.rules, webhook };
  const ends: string[] = [];
  const calls = Array.from({ length: 13 }, async (_, i) => {
    const { status } = await new Phone(pipeline(rules), `u${i}`, 'x', REALM).register(from(i));
    ends.push(`u${i} ${status}`);
  });
  await Promise.all(calls);
  // One runs, ten wait, and none of those gets a deadline of its own; two are refused before any of them ends.
  expect(ends.slice(0, 2).toSorted()).toEqual(['u11 503', 'u12 503']);
  expect(ends.every((end) => end.endsWith(' 503'))).toBe(true);
  expect(called).toBe(1);
  const reasons = core.logger.lines
    .map(({ fields }) => ('detail' in fields ? String(fields.detail) : ''))
    .filter((detail) => /timed|many/.test(detail));
  expect(reasons.toSorted()).toEqual([
    ...Array(11).fill('timed out'),
    ...Array(2).fill('too many calls wait for this webhook'),
  ]);
  hanging.resolve(new Response('late'));
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
    metrics: NO_METRICS,
    timers: systemTimers,
    logger: core.logger,
  });
  const rules = { ...core.rules, webhook };

  const stuck = Array.from({ length: 60 }, (_, i) => new Phone(pipeline(rules), `u${i}`, 'x', REALM).register(from(i)));
  const fast = await new Phone(pipeline(rules), 'quick', 'x', 'fast.example.com').register();
  expect(fast.status).toBe(200);
  expect(called).toBeLessThanOrEqual(concurrency);

  // Of the sixty, four run and forty wait; the others are refused at once.
  const refused = (await Promise.all(stuck.slice(-10))).map((a) => a.status);
  expect(refused).toEqual(Array(10).fill(503));
  waiting.resolve();
  await Promise.all(stuck);
});
