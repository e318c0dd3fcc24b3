/**
 * A registration webhook: a web server that a customer runs to decide which phones may register in their SIP realm.
 * WEBHOOK_SECRET=… bun examples/webhook-server.ts --port 3000 --users users.json  The sidecar challenges a phone's
 * REGISTER (RFC 7616) and then calls this server with the phone's credentials. They do not contain the password: the
 * server computes the expected response from the password and compares. The sidecar itself checks that the nonce is its
 * own, fresh, and not used twice. It waits 5 seconds for the reply:    200 {"status": "ok", …}     the phone is
 * registered; for the other fields see `User` below   200 {"status": "fail", …}   the phone gets 403   any 4xx
 * the phone gets 403, and an alert is raised: for calls not made by the sidecar   anything else               the phone
 * gets 503 with Retry-After, and an alert is raised
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

/** A user, and what is granted when their phone registers. */
export interface User {
  readonly username: string;
  readonly realm: string;
  readonly password: string;
  /** Maximum expiry, seconds. */
  readonly expires?: number;
  /** URLs from which jambonz gets instructions for calls from this phone, and to which it reports them. */
  readonly call_hook?: string;
  readonly call_status_hook?: string;
  readonly allow_direct_app_calling?: boolean;
  readonly allow_direct_queue_calling?: boolean;
  readonly allow_direct_user_calling?: boolean;
}

export interface WebhookOptions {
  /** 0: any free port. */
  readonly port: number;
  readonly hostname: string;
  /** The account's webhook secret, with which calls must be signed. */
  readonly secret: string;
  readonly users: readonly User[];
  /** Required of calls when present, as configured for the webhook. */
  readonly basicAuth?: { readonly username: string; readonly password: string };
}

export interface SeenRequest {
  readonly method: string;
  readonly fields: Fields;
  readonly reply: Reply;
}

export interface WebhookServer {
  readonly url: string;
  /** The latest authentic calls, oldest first, at most MAX_SEEN. */
  readonly requests: readonly SeenRequest[];
  stop(): Promise<void>;
}

type Fields = Readonly<Record<string, unknown>>;
type Reply =
  | ({ readonly status: 'ok' } & Omit<User, 'username' | 'realm' | 'password'>)
  | { readonly status: 'fail'; readonly msg: string };

/** Seconds. A call with an older signature may be a replay. */
const MAX_AGE_S = 300;

/** Bytes; the sidecar's calls are a few kB. */
const MAX_BODY = 64 * 1024;

const MAX_SEEN = 1000;

const PATH = '/register';

/** The algorithms of RFC 8760 by the names of node:crypto. */
const HASHES: ReadonlyMap<string, string> = new Map([
  ['MD5', 'md5'],
  ['SHA-256', 'sha256'],
  ['SHA-512-256', 'sha512-256'],
]);

/** Starts the server. Throws when the port is taken. */
export function webhookServer(options: WebhookOptions): WebhookServer {
  const users = new Map(options.users.map((user) => [key(user.username, user.realm), user]));
  const requests: SeenRequest[] = [];
  const server = Bun.serve({
    port: options.port,
    hostname: options.hostname,
    maxRequestBodySize: MAX_BODY,
    async fetch(request) {
      const url = new URL(request.url);
      if (url.pathname !== PATH) return new Response('not found', { status: 404 });
      const post = request.method === 'POST';
      if (!post && request.method !== 'GET') return new Response('GET or POST', { status: 405 });

      // The signature covers the raw body, so it is checked before parsing. For a GET it covers no field,
      // only the text "null" with its quotes: prefer POST, or at least HTTPS.
      const body = post ? Buffer.from(await request.arrayBuffer()) : Buffer.from('"null"');
      const signed = isSigned(request.headers.get('jambonz-signature') ?? '', body, options.secret, Date.now() / 1000);
      if (!signed) return new Response('wrong or missing signature', { status: 403 });
      if (!hasBasicAuth(request.headers.get('authorization') ?? '', options.basicAuth)) {
        return new Response('wrong or missing Basic authentication', { status: 401 });
      }

      const fields = post ? parseObject(body.toString()) : Object.fromEntries(url.searchParams);
      if (!fields) return new Response('the body must be a JSON object', { status: 400 });
      const reply = decide(fields, users);
      if (requests.push({ method: request.method, fields, reply }) > MAX_SEEN) requests.shift();
      return Response.json(reply);
    },
  });
  return {
    url: new URL(PATH, server.url).href,
    requests,
    stop: () => server.stop(true),
  };
}

/** The decision. Replace this with your own users and rules. */
function decide(fields: Fields, users: ReadonlyMap<string, User>): Reply {
  if (stringField(fields, 'method') !== 'REGISTER') return { status: 'fail', msg: 'only REGISTER is answered' };
  const username = stringField(fields, 'username') ?? '';
  const realm = stringField(fields, 'realm') ?? '';
  const user = users.get(key(username, realm));
  // Also computed for an unknown user, so that timing does not reveal which users exist.
  const expected = digestResponse(fields, user?.password ?? '');
  if (expected === undefined) return { status: 'fail', msg: 'unsupported kind of digest' };
  const matches = safeEqual(stringField(fields, 'response')?.toLowerCase() ?? '', expected);
  if (!user || !matches) return { status: 'fail', msg: 'invalid credentials' };
  // The credentials name the user, the To header the AOR to register. Without this check a user could receive the calls
  // of any other user in the realm. Only a POST contains the headers.
  const to = addressOfRecord(fields);
  if (to !== undefined && to !== key(username, realm)) return { status: 'fail', msg: `not the phone of ${to}` };
  const { username: _username, realm: _realm, password: _password, ...granted } = user;
  return { status: 'ok', ...granted };
}

/**
 * The expected response in hex: RFC 7616 section 3.4.1 with qop=auth, RFC 2069 section 2.1.2 without qop.
 * Undefined for an unsupported algorithm or qop.
 */
function digestResponse(fields: Fields, password: string): string | undefined {
  const algorithm = HASHES.get((stringField(fields, 'algorithm') ?? 'MD5').toUpperCase());
  const qop = stringField(fields, 'qop') ?? '';
  if (!algorithm || (qop !== '' && qop !== 'auth')) return undefined;
  const h = (...parts: readonly string[]) => createHash(algorithm).update(parts.join(':')).digest('hex');
  const field = (name: string) => stringField(fields, name) ?? '';
  const a1 = h(field('username'), field('realm'), password);
  const a2 = h('REGISTER', field('uri'));
  return qop ? h(a1, field('nonce'), field('nc'), field('cnonce'), qop, a2) : h(a1, field('nonce'), a2);
}

/** Checks `t=<unix seconds>,v1=<hex>`, where v1 is the HMAC-SHA256 of `<t>.<body>`. @param now unix seconds */
function isSigned(header: string, body: Buffer, secret: string, now: number): boolean {
  const [, t = '', v1 = ''] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/i.exec(header) ?? [];
  if (t === '' || Math.abs(now - Number(t)) > MAX_AGE_S) return false;
  const expected = createHmac('sha256', secret).update(`${t}.`).update(body).digest('hex');
  return safeEqual(v1.toLowerCase(), expected);
}

function hasBasicAuth(header: string, required: WebhookOptions['basicAuth']): boolean {
  if (!required) return true;
  const credentials = Buffer.from(`${required.username}:${required.password}`).toString('base64');
  return safeEqual(header, `Basic ${credentials}`);
}

/** Compares in constant time. */
function safeEqual(given: string, expected: string): boolean {
  const a = Buffer.from(given);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}

/** `user@realm` of the To header; undefined when the call has none. */
function addressOfRecord(fields: Fields): string | undefined {
  if (typeof fields.headers !== 'object' || fields.headers === null) return undefined;
  const to = Object.entries(fields.headers).find(([name]) => name.toLowerCase() === 'to')?.[1];
  if (typeof to !== 'string') return undefined;
  // A display name may look like a URI: `"sip:me@realm" <sip:you@realm>` is your address.
  const unquoted = to.replace(/"(?:[^"\\]|\\.)*"/g, '');
  const [, username = '', realm = ''] = /^(?:[^<]*<)?\s*sips?:([^@:>]+)(?::[^@>]*)?@([^:;>?]+)/i.exec(unquoted) ?? [];
  return key(username, realm.trim());
}

/** Domain names are case-insensitive, user names are not. */
function key(username: string, realm: string): string {
  return `${username}@${realm.toLowerCase()}`;
}

function stringField(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' ? value : undefined;
}

function parseObject(json: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined; // JSON.parse throws nothing but "no JSON"
  }
}

if (import.meta.main) main();

function main(): void {
  const usage =
    'WEBHOOK_SECRET=… bun examples/webhook-server.ts [--port 3000] [--hostname 127.0.0.1] [--users users.json]\n' +
    'users.json: [{"username": "demo", "realm": "sidecar.test", "password": "…", "expires": 600, "call_hook": "…"}, …]\n' +
    'WEBHOOK_BASIC=user:password asks for Basic authentication too.';
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', default: '3000' },
        hostname: { type: 'string', default: '127.0.0.1' },
        users: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(usage);
      return;
    }
    // Secrets come from the environment, because any user of the machine can read the command line.
    const { WEBHOOK_SECRET: secret, WEBHOOK_BASIC: basic } = process.env;
    if (!secret) throw new Error('WEBHOOK_SECRET is not set');
    const [username = '', ...rest] = basic?.split(':') ?? [];
    const server = webhookServer({
      port: Number(values.port),
      hostname: values.hostname,
      secret,
      users: values.users
        ? readUsers(values.users)
        : [{ username: 'demo', realm: 'sidecar.test', password: 'change-me' }],
      ...(basic ? { basicAuth: { username, password: rest.join(':') } } : {}),
    });
    console.log(
      `registration webhook at ${server.url}${values.users ? '' : ', user demo@sidecar.test, password change-me'}`,
    );
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exitCode = 2;
  }
}

function readUsers(path: string): User[] {
  const users: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (!Array.isArray(users) || !users.every(isUser)) {
    throw new Error(`${path}: must be an array of objects with username, realm and password`);
  }
  return users;
}

function isUser(value: unknown): value is User {
  const has = (name: string) => typeof Object(value)[name] === 'string';
  return has('username') && has('realm') && has('password');
}
