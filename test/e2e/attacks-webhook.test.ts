import { afterAll, describe, expect, test } from 'bun:test';
import { gzipSync } from 'node:zlib';
import type { User } from '../support/phone.ts';
import { Attacked, STORES, smuggled } from './attacked.ts';

// A customer's web server that is hostile, or that someone has taken over.

const DEADLINE_MS = 60_000;
const CAROL: User = { user: 'carol', password: 'any-password', realm: 'hook.example.com' };
/** Headers of a 403 that the SIP server and the sidecar set. */
const OURS = ['Via', 'From', 'To', 'Call-ID', 'CSeq', 'Content-Length', 'X-Reason'];
const MANY = 3_000;
const DEEP = 30_000;

let reply: () => Response;
let asked = 0;
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  fetch() {
    asked++;
    return reply();
  },
});
afterAll(() => server.stop(true));

const json = (body: unknown) => () => Response.json(body);
const text = (body: string) => () => new Response(body);
const denied = (headers: Record<string, string>) => json({ status: 'fail', headers });
const BREAKS = ['\r\n', '\n', '\r', '\r\n ', '\0', '\u0085'];

const replies: [string, number, () => Response][] = [
  ...BREAKS.map((end): (typeof replies)[number] => [
    `${encodeURIComponent(end)} in the value of a header`,
    403,
    denied({ 'X-Reason': `no${end}X-Evil: 1`, 'X-Hint': `${end}X-Evil: 1` }),
  ]),
  ...BREAKS.map((end): (typeof replies)[number] => [
    `${encodeURIComponent(end)} in the name of a header`,
    403,
    denied({ [`X-Hint${end}X-Evil`]: '1', [`X-Hint: 1${end}X-Evil`]: '1' }),
  ]),
  [
    'a line break in msg',
    403,
    json({ status: 'fail', msg: 'no\r\nX-Evil: 1\r\n\r\n{"level":30,"msg":"all is well"}' }),
  ],
  ['msg of 60 000 characters', 403, json({ status: 'fail', msg: 'x'.repeat(60_000) })],
  [
    'headers of the SIP server',
    403,
    denied({
      Via: 'SIP/2.0/UDP evil.example.com',
      v: 'SIP/2.0/UDP evil.example.com',
      To: '<sip:evil@example.com>',
      Contact: '<sip:evil@example.com>;expires=3600',
      'content-length': '9999',
      'WWW-Authenticate': 'Digest realm="evil.example.com", nonce="1"',
      'Record-Route': '<sip:evil.example.com>',
    }),
  ],
  ['3 000 headers', 403, denied(Object.fromEntries(Array.from({ length: MANY }, (_, i) => [`Evil-${i}`, '1'])))],
  ['__proto__ as a header', 403, text('{"status":"fail","headers":{"__proto__":{"X-Evil":"1"},"constructor":"1"}}')],
  ['__proto__ beside the status', 403, text('{"status":"fail","__proto__":{"status":"ok","headers":{"X-Evil":"1"}}}')],
  ['__proto__ in place of the status', 503, text('{"__proto__":{"status":"ok"}}')],
  ['a status that is a list', 503, json({ status: ['ok'] })],
  ['an object as header value', 403, json({ status: 'fail', headers: { 'X-Evil': { toString: 'x' } } })],
  ['30 000 lists, each in the one before', 503, text('['.repeat(DEEP))],
  ['the same, closed', 503, text('['.repeat(DEEP) + ']'.repeat(DEEP))],
  ['the same as a call hook', 503, text(`{"status":"ok","call_hook":${'['.repeat(DEEP)}${']'.repeat(DEEP)}}`)],
  [
    '33 lists, each in the one before, as a call hook',
    503,
    text(`{"status":"ok","call_hook":${'['.repeat(33)}${']'.repeat(33)}}`),
  ],
  ['10 000 objects, each in the one before', 503, text(`{"status":"ok","call_hook":${'{"a":'.repeat(10_000)}1}`)],
  ['a call hook of 60 000 characters', 503, json({ status: 'ok', call_hook: 'x'.repeat(60_000) })],
  ['10 MB', 503, json({ status: 'ok', msg: 'x'.repeat(10_000_000) })],
  [
    '100 MB in 100 kB of gzip',
    503,
    () => new Response(gzipSync(Buffer.alloc(100_000_000, ' ')), { headers: { 'Content-Encoding': 'gzip' } }),
  ],
  ['an expiry beyond every number', 503, text('{"status":"ok","expires":1e999}')],
  ['an expiry below 0', 503, json({ status: 'ok', expires: -1 })],
  ['a status with a line break', 403, json({ status: 'ok\r\n' })],
];

describe.each(STORES)('with %s', async (stores) => {
  const url = `http://127.0.0.1:${server.port}/auth`;
  const target = await Attacked.start(stores, { webhook: { realm: CAROL.realm, url } });
  afterAll(() => target.stop());

  test.each(replies)(
    'a reply of a webhook with %s: %d',
    async (_, status, body) => {
      reply = body;
      asked = 0;
      const from = target.sidecar.process.lines.length;
      const answer = await target.unharmedBy(async () => {
        using phone = await target.intruder(CAROL);
        return await phone.register();
      });
      expect(asked).toBe(1);
      expect(answer.status).toBe(status);
      expect(smuggled(answer)).toEqual([]);
      if (status === 403) expect(Object.keys(answer.headers ?? {}).filter((name) => !OURS.includes(name))).toEqual([]);
      // Each line of the log is one of ours, in JSON.
      for (const line of target.sidecar.process.lines.slice(from)) expect(JSON.parse(line)).toHaveProperty('pid');
    },
    DEADLINE_MS,
  );
});
