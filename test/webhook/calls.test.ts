import { describe, expect, test } from 'bun:test';
import type { Socket } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { WebhookConnections } from '../../src/webhook/call.ts';
import { answerOf, OK, openWebhooks, rawServer } from './support.ts';

describe('one source', () => {
  const source = async (concurrency: number) => {
    const held: Socket[] = [];
    const server = await rawServer((socket) => void held.push(socket));
    const hook = openWebhooks(server.url, { concurrency });
    const release = () => {
      for (const socket of held.splice(0)) socket.write(answerOf('200 OK'));
    };
    return { server, release, ...hook };
  };

  test.each([
    [100, 10],
    [29, 2],
    [9, 1],
    [1, 1],
  ])('of an account with %i concurrent calls has at most %i', async (concurrency, most) => {
    const { register, server, release, alerts, webhook } = await source(concurrency);
    const calls = Array.from({ length: most }, () => register());
    await server.received(most);
    expect(await register()).toBe(503);
    const others = concurrency > most ? register({ address: '192.0.2.8' }) : undefined;
    if (others) await server.received(most + 1);
    release();
    expect(await Promise.all(calls)).toEqual(Array(most).fill(200));
    if (others) expect(await others).toBe(200);
    // Its own fault, not that of the web server.
    expect(alerts).toEqual([]);
    expect(webhook.down).toEqual([]);
    const later = register();
    await server.received(server.requests.length + 1);
    release();
    expect(await later).toBe(200);
  });

  test('has as many calls of another account', async () => {
    const { register, server, release, otherRealm } = await source(1);
    const calls = [register(), register({ realm: otherRealm })];
    await server.received(2);
    release();
    expect(await Promise.all(calls)).toEqual([200, 200]);
  });

  test('is a /64 of IPv6', async () => {
    const { register, server, release } = await source(10);
    const calls = [register({ address: '2001:db8::1' }), register({ address: '2001:db8:0:1::1' })];
    await server.received(2);
    expect(await register({ address: '2001:db8:0:0:ffff::2' })).toBe(503);
    release();
    expect(await Promise.all(calls)).toEqual([200, 200]);
  });

  test('may make one more call for each that ends', async () => {
    const held: Socket[] = [];
    const server = await rawServer((socket) => void held.push(socket));
    const { register } = openWebhooks(server.url, { concurrency: 20 });
    const calls = [register(), register()];
    await server.received(2);
    held.shift()?.write(answerOf('200 OK'));
    expect(await Promise.race(calls)).toBe(200);
    const third = register();
    await server.received(3);
    expect(await register()).toBe(503);
    for (const socket of held) socket.write(answerOf('200 OK'));
    expect(await Promise.all([...calls, third])).toEqual([200, 200, 200]);
  });

  test('counts with the calls that wait', async () => {
    const { register, server, release } = await source(1);
    const calls = [register({ address: '192.0.2.1' }), register({ address: '192.0.2.2' })];
    await server.received(1);
    expect(await register({ address: '192.0.2.2' })).toBe(503);
    release();
    await server.received(2);
    release();
    expect(await Promise.all(calls)).toEqual([200, 200]);
  });
});

describe('a redirect', () => {
  for (const status of [301, 302, 303, 307, 308])
    test(`${status} is not followed, and is a failure`, async () => {
      const target = await rawServer((socket) => void socket.write(answerOf('200 OK')));
      const server = await rawServer(
        (socket) => void socket.write(answerOf(`${status} Elsewhere`, '', [`Location: ${target.url}`])),
      );
      const { register, alerts } = openWebhooks(server.url);
      expect(await register()).toBe(503);
      expect(target.requests).toEqual([]);
      expect(alerts).toMatchObject([{ type: 'webhook-failure', message: `${server.url} returned ${status}` }]);
    });
});

describe('a response body', () => {
  const reply = (encoding: string, body: Uint8Array) => async () => {
    const server = await rawServer((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nContent-Encoding: ${encoding}\r\n\r\n`);
      socket.write(body);
    });
    return openWebhooks(server.url);
  };
  const padded = (length: number) => OK.padEnd(length);
  const cases: [string, () => Promise<ReturnType<typeof openWebhooks>>, number][] = [
    ['gzip', reply('gzip', gzipSync(OK)), 200],
    ['GZIP', reply('GZIP', gzipSync(OK)), 200],
    ['x-gzip', reply('x-gzip', gzipSync(OK)), 200],
    ['deflate', reply('deflate', deflateSync(OK)), 200],
    ['br', reply('br', brotliCompressSync(OK)), 200],
    ['identity', reply('identity', Buffer.from(OK)), 200],
    ['identity of 64 KiB', reply('identity', Buffer.from(padded(65_536))), 200],
    ['identity of 64 KiB and a byte', reply('identity', Buffer.from(padded(65_537))), 503],
    ['gzip of 64 KiB', reply('gzip', gzipSync(padded(65_536))), 200],
    ['gzip of 64 KiB and a byte', reply('gzip', gzipSync(padded(65_537))), 503],
    ['gzip of 10 MB', reply('gzip', gzipSync(padded(10_000_000))), 503],
    ['deflate of 1 MB', reply('deflate', deflateSync(padded(1_000_000))), 503],
    ['br of 1 MB', reply('br', brotliCompressSync(padded(1_000_000))), 503],
    ['gzip that is none', reply('gzip', Buffer.from(OK)), 503],
    ['an unknown encoding', reply('zstd', Buffer.from(OK)), 503],
  ];
  test.each(cases)('in %s', async (_, open, status) => {
    const { register, webhook } = await open();
    expect(await register()).toBe(status);
    expect(webhook.down).toEqual([]);
  });

  const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
  const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

  test('may come in chunks', async () => {
    const server = await rawServer((socket) => {
      socket.write(`${CHUNKED}${chunk(OK.slice(0, 5))}${chunk(OK.slice(5))}0\r\n\r\n`);
    });
    expect(await openWebhooks(server.url).register()).toBe(200);
  });

  test('that has no end is cut off, with its connection', async () => {
    const ended = Promise.withResolvers<void>();
    const server = await rawServer((socket) => {
      socket.on('close', () => ended.resolve());
      socket.write(CHUNKED);
      const more = () => {
        if (!socket.destroyed) socket.write(chunk(' '.repeat(30_000)), () => setImmediate(more));
      };
      more();
    });
    const { register, alerts } = openWebhooks(server.url);
    expect(await register()).toBe(503);
    await ended.promise;
    expect(alerts).toMatchObject([{ message: `${server.url} returned 200 with an invalid body` }]);
  });

  for (const [what, text] of [
    ['of a known length', `HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{`],
    ['in chunks', `${CHUNKED}${chunk('{')}`],
    ['in headers', 'HTTP/1.1 200 OK\r\nX-Wait: '],
  ] as const)
    test(`${what} that stops has the deadline of the call`, async () => {
      const ended = Promise.withResolvers<void>();
      const server = await rawServer((socket) => {
        socket.on('close', () => ended.resolve());
        socket.write(text);
      });
      const { register, clock, alerts } = openWebhooks(server.url);
      const call = register();
      await server.received(1);
      clock.advance(5000);
      expect(await call).toBe(503);
      await ended.promise;
      expect(alerts).toMatchObject([{ type: 'webhook-connection-failure', detail: 'timed out' }]);
    });
});

describe('a URL with secrets', () => {
  const secretUrl = (port: number) => `http://user:hidden@127.0.0.1:${port}/auth?token=hidden#hidden`;

  test('is called whole, but logged and reported without them', async () => {
    const server = await rawServer((socket) => void socket.write(answerOf('500 Oops')));
    const { register, alerts, logger, lines } = openWebhooks(secretUrl(server.port), { method: 'GET' });
    for (let i = 0; i < 5; i++) await register();
    expect(server.requests[0]?.text).toContain('token=hidden');
    expect(alerts[0]?.message).toBe(`${server.url} returned 500`);
    expect(lines()).toHaveLength(1);
    expect(JSON.stringify([alerts, logger.lines])).not.toContain('hidden');
    expect(JSON.stringify(logger.lines)).not.toContain('cnonce');
  });

  test('is reported without them when nothing listens there, or it is no URL', async () => {
    for (const url of [secretUrl(1), 'htp://user:hidden@host/?hidden', 'user:hidden@host?hidden']) {
      const { register, alerts, logger, database } = openWebhooks('http://127.0.0.1:1/');
      // The platform's database may hold any text.
      database.query('UPDATE webhooks SET url = ?').run(url);
      for (let i = 0; i < 5; i++) expect(await register()).toBe(503);
      expect(alerts).toHaveLength(5);
      expect(JSON.stringify([alerts, logger.lines])).not.toContain('hidden');
    }
  });
});

describe('connections', () => {
  test('that are all closed as we send cost one more try, on a new one', async () => {
    const held: Socket[] = [];
    const server = await rawServer((socket, { connection }) => {
      if (server.requests.length <= 2) held.push(socket);
      else if (connection <= 2) socket.destroy();
      else socket.write(answerOf('200 OK'));
    });
    const { register } = openWebhooks(server.url);
    const both = [register(), register()];
    await server.received(2);
    for (const socket of held) socket.write(answerOf('200 OK'));
    expect(await Promise.all(both)).toEqual([200, 200]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await register()).toBe(200);
    expect(server.requests.slice(2).map(({ connection }) => connection)).toEqual([expect.any(Number), 3]);
  });

  test('are not opened for a call whose time is over', async () => {
    const server = await rawServer((socket) => void socket.write(answerOf('200 OK')));
    const call = { url: new URL(server.url), method: 'POST', headers: {}, body: '{}' } as const;
    const result = await new WebhookConnections().call(call, AbortSignal.abort());
    expect(result).toEqual({ kind: 'unreachable', why: 'timed out' });
    expect(server.requests).toEqual([]);
  });

  test('are kept for the next call of the account, and not shared with other accounts', async () => {
    const server = await rawServer((socket) => void socket.write(answerOf('200 OK')));
    const { register, otherRealm } = openWebhooks(server.url);
    const next = async (realm?: string) => {
      expect(await register(realm === undefined ? {} : { realm })).toBe(200);
      // The connection is free in a later turn.
      await new Promise((resolve) => setImmediate(resolve));
    };
    for (let i = 0; i < 3; i++) await next();
    await next(otherRealm);
    await next();
    await next(otherRealm);
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 1, 2, 1, 2]);
  });

  test('are not used for another web server', async () => {
    const ok = (socket: Socket) => void socket.write(answerOf('200 OK'));
    const [server, other] = await Promise.all([rawServer(ok), rawServer(ok)]);
    const connections = new WebhookConnections();
    const { signal } = new AbortController();
    for (const { url } of [server, other])
      await connections.call({ url: new URL(url), method: 'GET', headers: {} }, signal);
    expect([server.requests.length, other.requests.length]).toEqual([1, 1]);
  });

  test.each([
    ['says that it closes', '200 OK', ['Connection: close']],
    ['says that it closes in a second', '200 OK', ['Keep-Alive: timeout=1']],
    ['sends more than a response', '200 OK', ['X-A: b\r\n\r\n{"status":"ok"}HTTP/1.1 200 OK']],
  ])('are not kept when the web server %s', async (_, status, headers) => {
    const server = await rawServer((socket) => void socket.write(answerOf(status, OK, headers)));
    const { register } = openWebhooks(server.url);
    expect(await register()).toBe(200);
    expect(await register()).toBe(200);
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 2]);
  });

  test('on which something comes unasked are closed', async () => {
    const held: Socket[] = [];
    const ended = Promise.withResolvers<void>();
    const server = await rawServer((socket, { connection }) => {
      held.push(socket);
      if (connection === 1) socket.on('close', () => ended.resolve());
      socket.write(answerOf('200 OK'));
    });
    const { register } = openWebhooks(server.url);
    expect(await register()).toBe(200);
    held[0]?.write(answerOf('408 Request Timeout'));
    await ended.promise;
    expect(await register()).toBe(200);
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 2]);
  });

  test('are kept up to 32', async () => {
    const held: Socket[] = [];
    const ended = Promise.withResolvers<void>();
    let open = 0;
    const server = await rawServer((socket) => {
      open++;
      held.push(socket);
      socket.on('close', () => {
        if (--open === 32) ended.resolve();
      });
    });
    const { register } = openWebhooks(server.url);
    const calls = Array.from({ length: 35 }, (_, i) => register({ address: `192.0.2.${i}` }));
    await server.received(35);
    for (const socket of held) socket.write(answerOf('200 OK'));
    expect(await Promise.all(calls)).toEqual(Array(35).fill(200));
    await ended.promise;
  });

  test.each([
    ['body', 'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{'],
    ['head', 'HTTP/1.1 200 OK\r\nX-A: '],
  ])('that break off within the %s of a response are a failure, and the call is not made again', async (_, text) => {
    const server = await rawServer((socket) => {
      if (server.requests.length === 1) socket.write(answerOf('200 OK'));
      else socket.end(text);
    });
    const { register, alerts } = openWebhooks(server.url);
    expect(await register()).toBe(200);
    expect(await register()).toBe(503);
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1]);
    expect(alerts).toMatchObject([{ type: 'webhook-connection-failure' }]);
  });

  test('end with a response that is no HTTP, which is not asked for again', async () => {
    const server = await rawServer((socket) => {
      const isFirst = server.requests.length === 1;
      socket.write(isFirst ? answerOf('200 OK') : 'HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n{');
    });
    const { register, alerts } = openWebhooks(server.url);
    expect(await register()).toBe(200);
    expect(await register()).toBe(503);
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1]);
    expect(alerts).toMatchObject([{ detail: expect.stringMatching(/^Parse Error: .*Content-Length/) }]);
  });
});

describe('a request', () => {
  const ok = () => rawServer((socket) => void socket.write(answerOf('200 OK')));

  test('has its length in bytes, and the path and query of the URL in ASCII', async () => {
    const server = await ok();
    const url = new URL(`http://127.0.0.1:${server.port}/ü ?ü="\r\nX: y#d`);
    const call = { url, method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '"é"' } as const;
    await new WebhookConnections().call(call, new AbortController().signal);
    const [head = '', body] = server.requests[0]?.text.split('\r\n\r\n') ?? [];
    const [requestLine, ...fields] = head.split('\r\n');
    expect(requestLine).toBe('POST /%C3%BC%20?%C3%BC=%22X:%20y HTTP/1.1');
    expect(fields.sort()).toEqual([
      'Connection: keep-alive',
      'Content-Length: 4',
      'Content-Type: application/json',
      `Host: 127.0.0.1:${server.port}`,
    ]);
    expect(body).toBe('"é"');
  });

  test.each([
    ['us%20er:p%40ss', 'us er:p@ss'],
    ['us%zzer:p%4', 'us%zzer:p%4'],
    [':pass', ':pass'],
  ])('has the userinfo of the URL as credentials: %s', async (userinfo, credentials) => {
    const server = await ok();
    const { register } = openWebhooks(server.url.replace('//', `//${userinfo}@`));
    expect(await register()).toBe(200);
    expect(server.requests[0]?.text).toContain(`Authorization: Basic ${btoa(credentials)}\r\n`);
  });
});
