import { afterEach, expect, test } from 'bun:test';
import { createHash, createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type WebhookOptions, type WebhookServer, webhookServer } from '../../examples/webhook-server.ts';

const SECRET = 'whsec_4711';
const now = () => Math.floor(Date.now() / 1000);

let server: WebhookServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

function start(options: Partial<WebhookOptions> = {}): WebhookServer {
  server = webhookServer({
    port: 0,
    hostname: '127.0.0.1',
    secret: SECRET,
    users: [
      { username: 'alice', realm: 'sidecar.test', password: 'wonder', expires: 600, call_hook: 'https://a.test/call' },
      { username: 'bob', realm: 'sidecar.test', password: 'builder' },
      // RFC 7616 section 3.9.1
      { username: 'Mufasa', realm: 'http-auth@example.org', password: 'Circle of Life' },
    ],
    ...options,
  });
  return server;
}

const sign = (body: string | Uint8Array, t = now(), secret = SECRET) =>
  `t=${t},v1=${createHmac('sha256', secret).update(`${t}.`).update(body).digest('hex')}`;

/** The sidecar's call for a phone with this password. */
function call(password: string, change: Record<string, unknown> = {}, hash = 'md5'): Record<string, unknown> {
  const fields: Record<string, unknown> = {
    source_address: '192.0.2.7',
    source_port: 5060,
    method: 'REGISTER',
    headers: { to: '<sip:alice@sidecar.test>', 'call-id': 'x' },
    expires: 3600,
    scheme: 'digest',
    username: 'alice',
    realm: 'sidecar.test',
    nonce: 'abc',
    uri: 'sip:sidecar.test',
    qop: 'auth',
    nc: '00000001',
    cnonce: 'def',
    algorithm: 'MD5',
    ...change,
  };
  const h = (text: string) => createHash(hash).update(text).digest('hex');
  const { username, realm, nonce, uri, qop, nc, cnonce } = fields;
  const [a1, a2] = [h(`${username}:${realm}:${password}`), h(`REGISTER:${uri}`)];
  const response = h(qop ? `${a1}:${nonce}:${nc}:${cnonce}:${qop}:${a2}` : `${a1}:${nonce}:${a2}`);
  return { response, ...fields };
}

async function post(fields: unknown, headers: Record<string, string> = {}) {
  const body = typeof fields === 'string' ? fields : JSON.stringify(fields);
  const url = (server ?? start()).url;
  return await fetch(url, { method: 'POST', body, headers: { 'Jambonz-Signature': sign(body), ...headers } });
}

async function get(fields: Record<string, unknown>, signature = sign('"null"')) {
  const url = new URL((server ?? start()).url);
  for (const [name, value] of Object.entries(fields)) url.searchParams.set(name, String(value));
  return await fetch(url, { headers: { 'Jambonz-Signature': signature } });
}

function run(env: Record<string, string>, ...args: string[]) {
  const command = [process.execPath, 'examples/webhook-server.ts', ...args];
  return Bun.spawn(command, { env, stdout: 'pipe', stderr: 'pipe' });
}

async function printedUrl(child: ReturnType<typeof run>): Promise<string> {
  const { value } = await child.stdout.getReader().read();
  return /http:\S+\/register/.exec(new TextDecoder().decode(value))?.[0] ?? '';
}

const granted = { status: 'ok', expires: 600, call_hook: 'https://a.test/call' };
const refused = { status: 'fail', msg: 'invalid credentials' };

test.each([
  ['MD5', 'md5'],
  ['SHA-256', 'sha256'],
  ['SHA-512-256', 'sha512-256'],
  ['sha-256', 'sha256'],
])('%s with and without qop: the right password is granted, a wrong one is not', async (algorithm, hash) => {
  for (const qop of ['auth', undefined]) {
    const right = await post(call('wonder', { algorithm, qop }, hash));
    expect(right.status).toBe(200);
    expect(await right.json()).toEqual(granted);
    expect(await (await post(call('wander', { algorithm, qop }, hash))).json()).toEqual(refused);
  }
});

test('the response is computed as in RFC 7616 section 3.9.1', async () => {
  // The inputs of the RFC's example with the method REGISTER instead of GET, computed with md5sum and sha256sum.
  const rfc = {
    headers: {},
    username: 'Mufasa',
    realm: 'http-auth@example.org',
    uri: '/dir/index.html',
    nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
  };
  const md5 = { ...call('', rfc), response: '729aa9919ff68ad8e193d08df00a0a44' };
  expect(await (await post(md5)).json()).toEqual({ status: 'ok' });
  const sha256 = {
    ...call('', rfc),
    algorithm: 'SHA-256',
    response: '2b3883b3cfcef44adfad48d9d29d598196bffbefa9df3c5d339e795fd2f7302f',
  };
  expect(await (await post(sha256)).json()).toEqual({ status: 'ok' });
});

test('an unknown user gets the same reply as a wrong password, even with an empty password', async () => {
  expect(await (await post(call('', { username: 'nobody', headers: {} }))).json()).toEqual(refused);
  expect(await (await post(call('wonder', { realm: 'other.test' }))).json()).toEqual(refused);
  expect(await (await post({ ...call('wonder'), response: undefined })).json()).toEqual(refused);
});

test('unsupported algorithms and qops fail', async () => {
  for (const change of [{ algorithm: 'MD5-sess' }, { qop: 'auth-int' }, { algorithm: '__proto__' }]) {
    expect(await (await post(call('wonder', change))).json()).toEqual({
      status: 'fail',
      msg: 'unsupported kind of digest',
    });
  }
});

test('a user may register only their own AOR', async () => {
  const to = async (value: string) => (await post(call('wonder', { headers: { To: value } }))).json();
  for (const own of [
    'sip:alice@sidecar.test',
    '"bob" <sips:alice:pw@Sidecar.Test:5060;x=y>;tag=1',
    '<sip:alice@sidecar.test?a=b>',
  ]) {
    expect(await to(own)).toEqual(granted);
  }
  for (const other of [
    '<sip:bob@sidecar.test>',
    '"sip:alice@sidecar.test" <sip:bob@sidecar.test>',
    'a "\\"<sip:alice@sidecar.test>" <sip:bob@sidecar.test>',
  ]) {
    expect(await to(other)).toEqual({ status: 'fail', msg: 'not the phone of bob@sidecar.test' });
  }
  expect(await to('tel:+15551234')).toMatchObject({ status: 'fail' });
});

test('GET brings the fields in the query', async () => {
  const { headers: _headers, ...fields } = call('wonder');
  expect(await (await get(fields)).json()).toEqual(granted);
  expect(await (await get({ ...fields, cnonce: 'other' })).json()).toEqual(refused);
  expect((await get(fields, sign('null'))).status).toBe(403);
});

test('a call with a missing, wrong or old signature is refused with 403', async () => {
  const body = JSON.stringify(call('wonder'));
  for (const signature of [
    '',
    'v1=00',
    sign(`${body} `),
    sign(body, now(), 'another secret'),
    sign(body, now() - 310),
    sign(body, now() + 310),
    sign(body).replace(/t=\d+/, `t=${now() - 1}`),
  ]) {
    expect((await post(body, { 'Jambonz-Signature': signature })).status).toBe(403);
  }
  expect((await post(body, { 'Jambonz-Signature': sign(body, now() - 280) })).status).toBe(200);
  expect(server?.requests).toHaveLength(1);
});

test('the signature covers the raw bytes of the body', async () => {
  const { url } = start();
  const bytes = new TextEncoder().encode(JSON.stringify(call('wonder', { nonce: 'é' })));
  const headers = { 'Jambonz-Signature': sign(bytes) };
  expect((await fetch(url, { method: 'POST', body: bytes, headers })).status).toBe(200);
  const other = bytes.with(bytes.indexOf(0xc3), 0xff);
  expect((await fetch(url, { method: 'POST', body: other, headers })).status).toBe(403);
});

test('Basic authentication is required when configured', async () => {
  start({ basicAuth: { username: 'jambonz', password: 'pa:ss' } });
  expect((await post(call('wonder'))).status).toBe(401);
  expect((await post(call('wonder'), { Authorization: `Basic ${btoa('jambonz:pa:sS')}` })).status).toBe(401);
  expect((await post(call('wonder'), { Authorization: `Basic ${btoa('jambonz:pa:ss')}` })).status).toBe(200);
});

test('a request that is not a webhook call gets a 4xx', async () => {
  const { url } = start();
  expect((await post('not json')).status).toBe(400);
  expect((await post('[]')).status).toBe(400);
  expect((await post('null')).status).toBe(400);
  expect((await fetch(new URL('/', url))).status).toBe(404);
  expect((await fetch(url, { method: 'PUT', body: '{}' })).status).toBe(405);
  expect((await post('x'.repeat(70_000))).status).toBe(413);
  expect(await (await post(call('wonder', { method: 'INVITE' }))).json()).toMatchObject({ status: 'fail' });
});

test('the latest thousand calls are kept', async () => {
  const { requests } = start();
  for (let i = 0; i < 1001; i++) await post(call('wonder', { source_port: i }));
  expect(requests).toHaveLength(1000);
  expect(requests[0]).toMatchObject({ method: 'POST', fields: { source_port: 1 }, reply: { status: 'ok' } });
});

test('as a program it reads the users from a file', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'webhook-server-'));
  try {
    const file = join(directory, 'users.json');
    await writeFile(file, JSON.stringify([{ username: 'carol', realm: 'sidecar.test', password: 'pw', expires: 60 }]));
    const child = run({ WEBHOOK_SECRET: SECRET }, '--port', '0', '--users', file);
    try {
      const body = JSON.stringify(call('pw', { username: 'carol', headers: {} }));
      const headers = { 'Jambonz-Signature': sign(body) };
      const reply = await fetch(await printedUrl(child), { method: 'POST', body, headers });
      expect(await reply.json()).toEqual({ status: 'ok', expires: 60 });
    } finally {
      child.kill();
      await child.exited;
    }
    await writeFile(file, '[{"username": "carol"}]');
    const wrong = run({ WEBHOOK_SECRET: SECRET }, '--users', file);
    expect(await wrong.exited).toBe(2);
    expect(await wrong.stderr.text()).toContain('must be an array of objects with username, realm and password');
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('as a program it takes its secrets from the environment and prints where it listens', async () => {
  const without = run({});
  expect(await without.exited).toBe(2);
  expect(await without.stderr.text()).toStartWith('WEBHOOK_SECRET is not set');
  expect(await run({ WEBHOOK_SECRET: SECRET }, '--unknown').exited).toBe(2);

  const child = run({ WEBHOOK_SECRET: SECRET, WEBHOOK_BASIC: 'jambonz:pa:ss' }, '--port', '0');
  try {
    const url = await printedUrl(child);
    const body = JSON.stringify(call('change-me', { username: 'demo', headers: {} }));
    const headers = { 'Jambonz-Signature': sign(body), Authorization: `Basic ${btoa('jambonz:pa:ss')}` };
    expect(await (await fetch(url, { method: 'POST', body, headers })).json()).toEqual({ status: 'ok' });
  } finally {
    child.kill();
    await child.exited;
  }
});
