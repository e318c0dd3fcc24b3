import { afterEach, describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import fc from 'fast-check';
import { HttpListenError } from '../../src/ops/listen-error.ts';
import { json } from '../../src/ops/response.ts';
import type { Route } from '../../src/ops/route.ts';
import { OpsServer, tryHttp } from '../../src/ops/server.ts';
import { RecordingLogger } from '../support/logger.ts';

const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/any', calledBy: 'any', handle: () => json(200, { any: true }) },
  { method: 'GET', path: '/own', handle: () => json(200, { own: true }) },
  { method: 'POST', path: '/own', handle: async (request) => json(200, { length: (await request.text()).length }) },
  { method: 'GET', path: '/peer', handle: (_, { address }) => json(200, { address }) },
  {
    method: 'GET',
    path: '/fault',
    handle: () => {
      throw new Error('broken handler');
    },
  },
];

const open: OpsServer[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.stop();
});

function start(logger = new RecordingLogger(), routes = ROUTES): OpsServer {
  const server = new OpsServer({ host: '127.0.0.1', port: 0 }, routes, logger);
  open.push(server);
  return server;
}

/** Sends a request as it is. @returns the whole response */
async function raw(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.setEncoding('latin1');
  socket.on('data', (text) => {
    received += text;
  });
  socket.write(request.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
  await once(socket, 'close');
  return received;
}

async function status(port: number, request: string): Promise<string> {
  return (await raw(port, request)).slice(9, 12);
}

const URL_OF = (server: OpsServer, path: string) => `http://127.0.0.1:${server.port}${path}`;

describe('the table of resources', () => {
  test.each([
    ['GET /any', '200'],
    ['GET /any?name=value', '200'],
    ['HEAD /any', '200'],
    ['POST /any', '405'],
    ['DELETE /any', '405'],
    ['TRACE /any', '405'],
    ['GET /', '404'],
    ['GET /any/', '404'],
    ['GET /ANY', '404'],
    ['GET //any', '404'],
    ['GET /%61ny', '404'],
    ['GET /any/../own/x', '404'],
    ['CONNECT a.test:1', '404'],
  ])('answers %s with %s', async (line, expected) => {
    const server = start();
    expect(await status(server.port, `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)).toBe(expected);
  });

  test('names the methods of a resource in Allow', async () => {
    const server = start();
    const response = await fetch(URL_OF(server, '/own'), { method: 'PUT' });
    expect([response.status, response.headers.get('Allow')]).toEqual([405, 'GET, HEAD, POST']);
    expect(await response.json()).toEqual({ error: 'method not allowed' });
  });

  test('is replaced as a whole', async () => {
    const server = start();
    server.serve([{ method: 'GET', path: '/new', handle: () => json(200, {}) }]);
    expect((await fetch(URL_OF(server, '/new'))).status).toBe(200);
    expect((await fetch(URL_OF(server, '/own'))).status).toBe(404);
  });

  test('tells handlers the source of the request', async () => {
    expect(await (await fetch(URL_OF(start(), '/peer'))).json()).toEqual({ address: '127.0.0.1' });
  });
});

describe('a web page whose own name points to us', () => {
  test.each([
    ['127.0.0.1', '200'],
    ['127.0.0.1:3001', '200'],
    ['[::1]:3001', '200'],
    ['localhost:3001', '200'],
    ['LOCALHOST', '200'],
    [hostname(), '200'],
    ['evil.test', '421'],
    ['evil.test:3001', '421'],
    ['127.0.0.1.evil.test', '421'],
    ['localhost.evil.test', '421'],
    ['127.0.0.1\r\nHost: evil.test', '421'],
    ['', '421'],
  ])('reaches nothing but probes and metrics: Host %j is answered %s', async (host, expected) => {
    const { port } = start();
    expect(await status(port, `GET /own HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).toBe(expected);
    expect(await status(port, `POST /own HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`)).toBe(expected);
    expect(await status(port, `GET /any HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).toBe('200');
  });

  test('a request without Host, of HTTP 1.0, is a probe at most', async () => {
    const { port } = start();
    expect(await status(port, 'GET /any HTTP/1.0\r\n\r\n')).toBe('200');
    expect(await status(port, 'GET /own HTTP/1.0\r\n\r\n')).toBe('421');
  });
});

describe('a request beyond the bounds', () => {
  test.each([
    [
      'a body of 64 KiB and a byte',
      `POST /own HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 65537\r\n\r\n${'a'.repeat(65_537)}`,
      '413',
    ],
    ['a long path', `GET /${'a'.repeat(40_000)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`, '431'],
    ['many headers', `GET /own HTTP/1.1\r\nHost: 127.0.0.1\r\n${'X: 1\r\n'.repeat(5_000)}\r\n`, '431'],
  ])('is refused: %s', async (_, request, expected) => {
    expect(await status(start().port, request)).toBe(expected);
  });

  test('is refused while a hundred others have no answer', async () => {
    const held = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    let inside = 0;
    const server = start(new RecordingLogger(), [
      {
        method: 'GET',
        path: '/slow',
        handle: async () => {
          if (++inside === 100) entered.resolve();
          await held.promise;
          return json(200, {});
        },
      },
      ...ROUTES,
    ]);
    const slow = Array.from({ length: 100 }, () => fetch(URL_OF(server, '/slow')));
    await entered.promise;
    expect((await fetch(URL_OF(server, '/own'))).status).toBe(503);
    held.resolve();
    expect(new Set((await Promise.all(slow)).map((response) => response.status))).toEqual(new Set([200]));
    expect((await fetch(URL_OF(server, '/own'))).status).toBe(200);
  });
});

test('noise is no request, and harms no other', async () => {
  const server = start();
  const noise = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 200 }),
    fc
      .string({ unit: 'binary', minLength: 1 })
      .map((text) => Buffer.from(`GET ${text} HTTP/1.1\r\nHost: ${text}\r\n\r\n`)),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(`GET /own HTTP/1.1\r\n${text}: ${text}\r\n\r\n`)),
  );
  await fc.assert(
    fc.asyncProperty(noise, async (bytes) => {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      socket.end(bytes);
      await once(socket, 'close').catch(() => {});
      expect((await fetch(URL_OF(server, '/own'))).status).toBe(200);
    }),
    { numRuns: 100 },
  );
});

test('every response has the security headers, and a resource may set its own', async () => {
  const headers = { 'Content-Security-Policy': "default-src 'self'" };
  const server = start(new RecordingLogger(), [
    { method: 'GET', path: '/page', handle: () => new Response('page', { headers }) },
    ...ROUTES,
  ]);
  for (const path of ['/own', '/nothing', '/fault']) {
    const { headers } = await fetch(URL_OF(server, path));
    expect(headers.get('X-Content-Type-Options')).toBe('nosniff');
    expect(headers.get('Content-Security-Policy')).toBe("default-src 'none'; frame-ancestors 'none'");
    expect(headers.get('Cache-Control')).toBe('no-store');
  }
  const page = await fetch(URL_OF(server, '/page'));
  expect(page.headers.get('Content-Security-Policy')).toBe("default-src 'self'");
  expect(page.headers.get('X-Frame-Options')).toBe('DENY');
});

test('a fault of a handler is answered 500 without details, and logged', async () => {
  const logger = new RecordingLogger();
  const response = await fetch(URL_OF(start(logger), '/fault'));
  expect([response.status, await response.json()]).toEqual([500, { error: 'internal error' }]);
  expect(logger.lines).toMatchObject([{ level: 'error', message: 'HTTP request failed' }]);
});

describe('an address that cannot be listened on', () => {
  test('is reported in one line with the remedy, when its port is in use', async () => {
    const { port } = start();
    const why = `HTTP at 127.0.0.1:${port} is in use; find by whom with ss -ltnp 'sport = :${port}', or set HTTP_PORT to another port`;
    expect(() => new OpsServer({ host: '127.0.0.1', port }, [], new RecordingLogger())).toThrow(
      new HttpListenError('127.0.0.1', port, 'EADDRINUSE'),
    );
    await expect(tryHttp({ host: '127.0.0.1', port })).rejects.toThrow(why);
  });

  test('is reported when it is not of this machine', async () => {
    await expect(tryHttp({ host: '192.0.2.1', port: 3001 })).rejects.toThrow(
      /^HTTP at 192\.0\.2\.1:3001 is not an address of this machine/,
    );
  });

  test('is free again after the server has stopped', async () => {
    const server = start();
    const { port } = server;
    await server.stop();
    await tryHttp({ host: '127.0.0.1', port });
  });
});
