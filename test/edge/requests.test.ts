import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type Edge, ListenError } from '../../src/edge/index.ts';
import {
  ManualClock,
  portOf,
  RawApp,
  request,
  startTestEdge,
  TcpPeer,
  textOf,
  transactionOf,
  UdpPeer,
} from './support.ts';

let edge: Edge;
let app: RawApp;
let phone: UdpPeer;
beforeAll(async () => {
  edge = await startTestEdge();
  app = await RawApp.ready(edge, 'register', 'options');
  phone = await UdpPeer.open();
});
afterAll(async () => {
  phone[Symbol.dispose]();
  app[Symbol.dispose]();
  await edge.stop();
});

const send = (text: string | Uint8Array) => phone.send(text, portOf(edge, 'udp'));
const via = () => `UDP 127.0.0.1:${phone.port}`;
/** What the edge answers by itself. */
const answer = (text: string | Uint8Array) => {
  send(text);
  return phone.next();
};

describe('what the edge answers itself', () => {
  test.each(['INVITE', 'MESSAGE', 'SUBSCRIBE', 'RE%47ISTER', 'options'])('405 with Allow: %s', async (method) => {
    const text = await answer(request(method, via()));
    expect(text).toStartWith('SIP/2.0 405 Method Not Allowed\r\n');
    expect(text).toContain('\r\nAllow: REGISTER, OPTIONS\r\n');
    expect(text).toMatch(/^To: <sip:demo@sidecar\.test>;tag=\w+\r$/m);
  });

  test('481 for CANCEL', async () => {
    expect(await answer(request('CANCEL', via()))).toStartWith('SIP/2.0 481 ');
  });

  test('416 for another scheme', async () => {
    expect(await answer(request('OPTIONS', via()).replace('sip:sidecar.test', 'tel:+1'))).toStartWith('SIP/2.0 416 ');
  });

  test('420 with all the unknown extensions', async () => {
    const text = await answer(request('REGISTER', via(), { extra: 'Require: a, b\r\nRequire: c\r\n' }));
    expect(text).toStartWith('SIP/2.0 420 Bad Extension\r\n');
    expect(text).toContain('\r\nUnsupported: a, b, c\r\n');
  });

  test('483 for Max-Forwards 0, but not for OPTIONS', async () => {
    const exhausted = (method: string) => request(method, via()).replace('Max-Forwards: 70', 'Max-Forwards: 0');
    expect(await answer(exhausted('REGISTER'))).toStartWith('SIP/2.0 483 ');
    send(exhausted('OPTIONS'));
    expect(textOf(await app.next())).toContain('\r\nMax-Forwards: 0\r\n');
  });

  test('482 for a copy that took another way (RFC 3261 8.2.2.2)', async () => {
    const text = request('OPTIONS', via());
    send(text);
    const frame = await app.next();
    const copy = text.replace('branch=z9hG4bK', 'branch=z9hG4bKother');
    expect(await answer(copy)).toStartWith('SIP/2.0 482 Loop Detected\r\n');
    await app.ask(`sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
    expect(await phone.next()).toStartWith('SIP/2.0 200 OK\r\n');
    // One that was answered is still remembered.
    expect(await answer(copy)).toStartWith('SIP/2.0 482 ');
    expect(await answer(text)).toStartWith('SIP/2.0 200 ');
    expect(app.frames.size).toBe(0);
  });

  test('505 for another version', async () => {
    expect(await answer(request('OPTIONS', via()).replace('SIP/2.0\r', 'SIP/3.0\r'))).toStartWith('SIP/2.0 505 ');
  });

  test('400 says what is wrong and repeats what the client needs to recognise it', async () => {
    const text = await answer(
      request('OPTIONS', via(), { callId: 'mine', branch: 'z9hG4bKm' }).replace(': 70\r', ': many\r'),
    );
    expect(text).toStartWith('SIP/2.0 400 Bad Request - Malformed Max-Forwards\r\n');
    expect(text).toContain(`\r\nVia: SIP/2.0/${via()};branch=z9hG4bKm\r\n`);
    expect(text).toContain('\r\nCall-ID: mine\r\n');
    expect(text).toContain('\r\nCSeq: 1 OPTIONS\r\n');
  });

  test('copies of a request that no transaction remembers get the same tag (RFC 3261 8.2.7)', async () => {
    const text = request('INVITE', via());
    expect(await answer(text)).toBe(await answer(text));
    expect(await answer(request('INVITE', via()))).not.toBe(await answer(text));
  });
});

describe('what is not answered', () => {
  test.each([
    ['ACK', () => request('ACK', via())],
    ['a malformed ACK', () => request('ACK', via()).replace('Max-Forwards: 70', 'Max-Forwards: x')],
    ['a malformed response', () => request('OPTIONS', via()).replace(/^.*/, 'SIP/2.0 99 What')],
    ['a response to nothing', () => request('OPTIONS', via()).replace(/^.*/, 'SIP/2.0 200 OK')],
    ...['Via', 'From', 'To', 'Call-ID', 'CSeq'].map(
      (name) =>
        [
          `a request without ${name}`,
          () => request('OPTIONS', via()).replace(new RegExp(`^${name}: .*\r\n`, 'm'), ''),
        ] as const,
    ),
    ['a keep-alive', () => '\r\n\r\n'],
    ['noise', () => Buffer.from([0xff, 0, 1, 2, 3, 4, 5])],
    ['the longest datagram of noise', () => 'x'.repeat(65_507)],
  ])('%s', async (_what, text) => {
    send(text());
    // What comes next is the answer to the next one.
    expect(await answer(request('CANCEL', via()))).toStartWith('SIP/2.0 481 ');
    expect(phone.inbox.size).toBe(0);
    expect(app.frames.size).toBe(0);
  });

  test('it is counted', async () => {
    const before = { ...edge.counters };
    send('noise that is long enough');
    await answer(request('CANCEL', via()));
    expect(edge.counters.malformed).toBe(before.malformed + 1);
    expect(edge.counters.dropped).toBe(before.dropped + 1);
  });
});

describe('what reaches the app', () => {
  test('headers in their usual spelling, unfolded; the body byte by byte', async () => {
    const text = request('REGISTER', via(), {
      body: 'zwölf',
      extra: 'c: text/plain\r\nx-own: a\r\n b\r\nm: <sip:a@b>\r\n',
    });
    send(text);
    const frame = await app.next();
    expect(textOf(frame)).toContain('\r\nContent-Type: text/plain\r\nx-own: a b\r\nContact: <sip:a@b>\r\n');
    expect(textOf(frame)).toEndWith('\r\nContent-Length: 6\r\n\r\nzwölf');
    expect(Number(frame.split('|')[3])).toBe(Buffer.byteLength(text));
  });

  test('all Vias, the first with the source', async () => {
    send(request('OPTIONS', `UDP a.invalid;rport;branch=z9hG4bKv1, SIP/2.0/UDP b.invalid;x`, { branch: 'z9hG4bKv2' }));
    expect(textOf(await app.next())).toContain(
      `\r\nVia: SIP/2.0/UDP a.invalid;rport=${phone.port};branch=z9hG4bKv1;received=127.0.0.1, SIP/2.0/UDP b.invalid;x;branch=z9hG4bKv2\r\n`,
    );
  });
});

describe('a retransmission', () => {
  test.each([
    ['of today', () => via()],
    ['without the magic cookie (RFC 2543)', () => `${via()};branch=1`],
    ['without a branch (RFC 2543)', () => `${via()};x=y`],
  ])('reaches the app once, and gets the same answer: %s', async (what, sentBy) => {
    const fresh = request('OPTIONS', sentBy());
    const text = what === 'of today' ? fresh : fresh.replace(/;branch=z9hG4bK[^;\r]+/, '');
    const before = { ...edge.counters };
    send(text);
    const frame = await app.next();
    send(text);
    // Its turn is over when the one after it has its answer.
    expect(await answer(request('CANCEL', via()))).toStartWith('SIP/2.0 481 ');
    await app.ask(`sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
    const sent = await phone.next();
    expect(sent).toStartWith('SIP/2.0 200 OK\r\n');
    expect(await answer(text)).toBe(sent);
    expect(app.frames.size).toBe(0);
    expect(edge.counters.retransmissions).toBe(before.retransmissions + 2);
  });
});

describe('what the app answers', () => {
  const ask = async (response: string, extra = '') => {
    send(request('OPTIONS', via(), { extra }));
    return app.ask(`sip|${transactionOf(await app.next())}|\r\n${response}`);
  };

  test("its own copies of the request's headers are ignored, its tag is not", async () => {
    await ask(
      'SIP/2.0 200 OK\r\nvia: SIP/2.0/UDP evil\r\nfrom: <sip:x@y>\r\nto: <sip:x@y>;tag=app\r\ncall-id: x\r\ncseq: 9 X\r\nContent-Length: 99\r\n\r\n',
    );
    const text = await phone.next();
    expect(text).not.toContain('evil');
    expect(text).toContain('\r\nTo: <sip:demo@sidecar.test>;tag=app\r\n');
    expect(text).toContain('\r\nCSeq: 1 OPTIONS\r\n');
    expect(text).toEndWith('\r\nContent-Length: 0\r\n\r\n');
  });

  test('a body, and the length of its bytes', async () => {
    await ask('SIP/2.0 200 OK\r\ncontent-type: text/plain\r\n\r\nzwölf');
    expect(await phone.next()).toEndWith('Content-Type: text/plain\r\nContent-Length: 6\r\n\r\nzwölf');
  });

  test('several values of one header, each on its line', async () => {
    await ask('SIP/2.0 401 Unauthorized\r\nwww-authenticate: Digest a\r\nwww-authenticate: Digest b\r\n\r\n');
    expect(await phone.next()).toContain('\r\nWWW-Authenticate: Digest a\r\nWWW-Authenticate: Digest b\r\n');
  });

  test.each([
    ['LF', 'X-Own: a\nVia: b'],
    ['CR', 'X-Own: a\rVia: b'],
    ['NUL', 'X-Own: a\0b'],
  ])('a bare %s in a value is refused, and another answer may follow', async (_what, line) => {
    send(request('OPTIONS', via()));
    const id = transactionOf(await app.next());
    expect(await app.ask(`sip|${id}|\r\nSIP/2.0 200 OK\r\n${line}\r\n\r\n`)).toContain('|NOK|');
    expect(await app.ask(`sip|${id}|\r\nSIP/2.0 200 OK\r\n\r\n`)).toContain('|OK|');
    expect(await phone.next()).toStartWith('SIP/2.0 200 OK\r\n');
  });

  test('another app cannot answer for it', async () => {
    using other = await RawApp.ready(edge);
    send(request('OPTIONS', via()));
    const id = transactionOf(await app.next());
    expect(await other.ask(`sip|${id}|\r\nSIP/2.0 200 OK\r\n\r\n`)).toContain('|NOK|');
    await app.ask(`sip|${id}|\r\nSIP/2.0 486 Busy Here\r\n\r\n`);
    expect(await phone.next()).toStartWith('SIP/2.0 486 Busy Here\r\n');
  });
});

describe('what the app sends', () => {
  const to = (target: { port: number }, transport = 'udp') =>
    `sip|||sip:127.0.0.1:${target.port};transport=${transport}`;

  test('without a route it goes where its Request-URI points', async () => {
    using gateway = await UdpPeer.open();
    await app.ask(`sip||\r\nOPTIONS sip:127.0.0.1:${gateway.port} SIP/2.0\r\n\r\n`);
    expect(await gateway.next()).toStartWith(`OPTIONS sip:127.0.0.1:${gateway.port} SIP/2.0\r\n`);
  });

  test.each([
    ['a name', 'sip|||sip:gateway.example.test\r\nOPTIONS sip:a SIP/2.0\r\n\r\n', 'not an IP address'],
    ['INVITE', 'sip|||sip:127.0.0.1\r\nINVITE sip:a SIP/2.0\r\n\r\n', 'INVITE is not supported'],
    [
      'a line break in a value',
      'sip|||sip:127.0.0.1\r\nOPTIONS sip:a SIP/2.0\r\nX: a\nb\r\n\r\n',
      'Bare CR or LF in Header',
    ],
    [
      'a CSeq of another method',
      'sip|||sip:127.0.0.1\r\nOPTIONS sip:a SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n',
      'CSeq Method Mismatch',
    ],
    ['an unknown transport', 'sip|||sip:127.0.0.1;transport=sctp\r\nOPTIONS sip:a SIP/2.0\r\n\r\n', 'not available'],
    ['IPv6 without a listener for it', 'sip|||sip:[::1]\r\nOPTIONS sip:a SIP/2.0\r\n\r\n', 'not available'],
    ['no SIP', 'sip|||sip:127.0.0.1\r\nwhat\r\n\r\n', 'invalid start line: what'],
  ])('NOK for %s', async (_what, frame, why) => {
    const reply = await app.ask(frame);
    expect(reply).toContain('|NOK|');
    expect(reply).toContain(why);
  });

  const long = `OPTIONS sip:a@b.test SIP/2.0\r\nX-Long: ${'x'.repeat(1300)}\r\n\r\n`;

  test('over 1300 bytes it goes by TCP (RFC 3261 18.1.1)', async () => {
    const listener = Bun.listen<{ text: string }>({
      hostname: '127.0.0.1',
      port: 0,
      socket: { data: (_socket, data) => received.resolve(data.toString()) },
    });
    const received = Promise.withResolvers<string>();
    await app.ask(`${to(listener)}\r\n${long}`);
    expect(await received.promise).toMatch(/^OPTIONS .*\r\nVia: SIP\/2\.0\/TCP /);
    listener.stop(true);
    expect(textOf(await app.next())).toStartWith('SIP/2.0 503 ');
  });

  test('and by UDP all the same when the peer knows no TCP', async () => {
    using gateway = await UdpPeer.open();
    await app.ask(`${to(gateway)}\r\n${long}`);
    expect(await gateway.next()).toMatch(/^OPTIONS .*\r\nVia: SIP\/2\.0\/UDP /);
  });

  test('one connection serves many requests', async () => {
    const connections = new Set<unknown>();
    const texts: string[] = [];
    const both = Promise.withResolvers<void>();
    const listener = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: {
        data(socket, data) {
          connections.add(socket);
          texts.push(...data.toString().split(/(?<=\r\n\r\n)/));
          if (texts.length === 2) both.resolve();
        },
      },
    });
    for (let i = 0; i < 2; i++) await app.ask(`${to(listener, 'tcp')}\r\nOPTIONS sip:a@b.test SIP/2.0\r\n\r\n`);
    await both.promise;
    expect(connections.size).toBe(1);
    listener.stop(true);
    for (let i = 0; i < 2; i++) expect(textOf(await app.next())).toStartWith('SIP/2.0 503 ');
  });

  test('a refused datagram does not harm the others', async () => {
    const gone = await UdpPeer.open();
    const target = { port: gone.port };
    gone[Symbol.dispose]();
    using gateway = await UdpPeer.open();
    const short = 'OPTIONS sip:a@b.test SIP/2.0\r\n\r\n';
    for (const peer of [target, gateway, target, gateway]) app.send(`${crypto.randomUUID()}|${to(peer)}\r\n${short}`);
    for (let i = 0; i < 2; i++) expect(await gateway.next()).toStartWith('OPTIONS ');
    const frames = await Promise.all(Array.from({ length: 6 }, () => app.next()));
    expect(frames.filter((f) => f.includes('|OK|application|'))).toHaveLength(4);
    expect(frames.filter((f) => textOf(f).startsWith('SIP/2.0 503 '))).toHaveLength(2);
  });
});

describe('apps', () => {
  test('without one, requests get 503', async () => {
    await using lonely = new AsyncDisposableStack();
    const other = lonely.adopt(await startTestEdge(), (e) => e.stop());
    phone.send(request('REGISTER', via()), portOf(other, 'udp'));
    expect(await phone.next()).toStartWith('SIP/2.0 503 Service Unavailable\r\n');
  });

  test('must authenticate within 5 s', async () => {
    const clock = new ManualClock();
    await using cleaner = new AsyncDisposableStack();
    const other = cleaner.adopt(await startTestEdge({ clock }), (e) => e.stop());
    const welcome = cleaner.use(await RawApp.ready(other));
    const stranger = cleaner.use(await RawApp.connect(other.control.port));
    // Both connections have been accepted when the one that came last gets its answer.
    cleaner.use(await RawApp.ready(other));
    clock.advance(5_100);
    await stranger.closed;
    expect(await welcome.ask('ping')).toEndWith('|OK|pong');
  });

  test('have no longer than that for junk, however much of it', async () => {
    const clock = new ManualClock();
    await using cleaner = new AsyncDisposableStack();
    const other = cleaner.adopt(await startTestEdge({ clock }), (e) => e.stop());
    const stranger = connect({ host: '127.0.0.1', port: other.control.port, allowHalfOpen: true });
    cleaner.defer(() => void stranger.destroy());
    stranger.on('error', () => {});
    const ended = new Promise((resolve) => stranger.on('end', resolve));
    const closed = new Promise((resolve) => stranger.on('close', resolve));
    stranger.resume();
    stranger.write('x#');
    // It is told farewell, and does not end either.
    await ended;
    for (let second = 0; second < 6; second++) {
      stranger.write('junk');
      // What comes later is answered later: then the junk has been seen.
      cleaner.use(await RawApp.ready(other));
      clock.advance(1000);
    }
    await closed;
  });

  test('that ask and ask and do not read are disconnected', async () => {
    await using cleaner = new AsyncDisposableStack();
    const other = cleaner.adopt(await startTestEdge(), (e) => e.stop());
    const greedy = cleaner.use(await RawApp.ready(other));
    greedy.socket.pause();
    let gone = false;
    void greedy.closed.then(() => {
      gone = true;
    });
    const pings = Array.from({ length: 5000 }, () => '41#xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx|ping').join('');
    let asked = 0;
    for (; !gone && asked < 100; asked++) {
      if (!greedy.socket.write(pings))
        await Promise.race([once(greedy.socket, 'drain').catch(() => {}), greedy.closed]);
    }
    await greedy.closed;
    const another = cleaner.use(await RawApp.ready(other));
    expect(await another.ask('ping')).toEndWith('|OK|pong');
  });

  test('65 are too many', async () => {
    await using cleaner = new AsyncDisposableStack();
    const other = cleaner.adopt(await startTestEdge(), (e) => e.stop());
    for (let i = 0; i < 64; i++) cleaner.use(await RawApp.ready(other));
    const last = cleaner.use(await RawApp.connect(other.control.port));
    await last.closed;
  });

  test('are served in turn, and no more once they have taken back their route', async () => {
    await using cleaner = new AsyncDisposableStack();
    const other = cleaner.adopt(await startTestEdge(), (e) => e.stop());
    const [one, two] = [await RawApp.ready(other, 'OPTIONS'), await RawApp.ready(other, 'options')];
    cleaner.use(one);
    cleaner.use(two);
    const ask = () => phone.send(request('OPTIONS', via()), portOf(other, 'udp'));
    for (const app of [one, two, one]) {
      ask();
      expect(textOf(await app.next())).toStartWith('OPTIONS ');
    }
    await one.ask('remove_route|options');
    for (let i = 0; i < 2; i++) {
      ask();
      expect(textOf(await two.next())).toStartWith('OPTIONS ');
    }
    two.socket.destroy();
    // Two requests were left behind by each; each is answered when its app goes, the next one at once.
    for (let i = 0; i < 3; i++) expect(await phone.next()).toStartWith('SIP/2.0 503 ');
    ask();
    expect(await phone.next()).toStartWith('SIP/2.0 503 ');
    one.socket.destroy();
    for (let i = 0; i < 2; i++) expect(await phone.next()).toStartWith('SIP/2.0 503 ');
  });

  test.each([
    ['no number', 'x#'],
    ['zero', '0#'],
    ['over 64 KiB', '65537#'],
    ['too many digits', '0000000001'],
    ['negative', '-1#'],
    ['no # for ever', '1234567'],
  ])('a frame length that is %s closes the connection', async (_what, bytes) => {
    using bad = await RawApp.ready(edge);
    bad.socket.write(bytes);
    await bad.closed;
  });

  test('one that asks for everything is refused', async () => {
    using greedy = await RawApp.ready(edge);
    for (let i = 0; i < 32; i++) expect(await greedy.ask(`route|m${i}`)).toEndWith('|OK');
    expect(await greedy.ask('route|m32')).toContain('|NO|');
    await greedy.closed;
  });
});

describe('starting and stopping', () => {
  test.each(['udp', 'tcp'] as const)('a %s port in use: an error names it, and nothing stays open', async (proto) => {
    const port = portOf(edge, proto);
    const free = { proto: 'tcp', host: '127.0.0.2', port: 0 } as const;
    const started = startTestEdge({ listen: [free, { proto, host: '127.0.0.1', port }] });
    expect(await started.catch((e) => e)).toBeInstanceOf(ListenError);
    await expect(started).rejects.toThrow(`${proto}/127.0.0.1:${port} is in use`);
  });

  test('a control port in use likewise', async () => {
    const { port } = edge.control;
    await expect(startTestEdge({ controlPort: port })).rejects.toThrow(`127.0.0.1:${port} is in use`);
  });

  test('the external address is announced, the local one too', async () => {
    await using cleaner = new AsyncDisposableStack();
    const other = cleaner.adopt(await startTestEdge({ externalIp: '192.0.2.7' }), (e) => e.stop());
    expect(other.hostports).toMatch(/^udp\/192\.0\.2\.7:\d+,tcp\/192\.0\.2\.7:\d+$/);
    expect(other.localHostports).toMatch(/^udp\/127\.0\.0\.1:\d+,tcp\/127\.0\.0\.1:\d+$/);
  });

  test('stop waits for no app that will not close its end', async () => {
    const other = await startTestEdge();
    const stubborn = connect({ host: '127.0.0.1', port: other.control.port, allowHalfOpen: true });
    stubborn.on('error', () => {});
    await once(stubborn, 'connect');
    using _accepted = await RawApp.ready(other);
    await other.stop();
    stubborn.destroy();
  });

  test('after stop nobody listens any more, and everyone has been told', async () => {
    const other = await startTestEdge();
    using connected = await RawApp.ready(other);
    using peer = await TcpPeer.open(portOf(other, 'tcp'));
    await other.stop();
    await Promise.all([connected.closed, peer.closed]);
    await expect(TcpPeer.open(portOf(other, 'tcp'))).rejects.toThrow();
    await expect(RawApp.connect(other.control.port)).rejects.toThrow();
  });
});

describe('when a table is full', () => {
  test('requests get 503 until there is room', async () => {
    await using cleaner = new AsyncDisposableStack();
    const limits = { serverTransactions: { transactions: 1 } };
    const other = cleaner.adopt(await startTestEdge({ limits }), (e) => e.stop());
    const own = cleaner.use(await RawApp.ready(other, 'options'));
    const ask = () => phone.send(request('OPTIONS', via()), portOf(other, 'udp'));
    ask();
    const frame = await own.next();
    ask();
    expect(await phone.next()).toStartWith('SIP/2.0 503 ');
    await own.ask(`sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
    ask();
    expect(textOf(await own.next())).toStartWith('OPTIONS ');
  });

  test('apps are told that their request was not sent', async () => {
    await using cleaner = new AsyncDisposableStack();
    const other = cleaner.adopt(await startTestEdge({ limits: { clientTransactions: 1 } }), (e) => e.stop());
    const own = cleaner.use(await RawApp.ready(other));
    const uri = `sip:127.0.0.1:${phone.port}`;
    const send = () => own.ask(`sip|||${uri}\r\nOPTIONS ${uri} SIP/2.0\r\n\r\n`);
    expect(await send()).toContain('|OK|');
    expect(await send()).toEndWith('|NOK|too many requests in progress');
    expect(await phone.next()).toStartWith('OPTIONS ');
  });
});

test('whoever sends what another has sent gets no answer of the other’s, nor does the other get it again', async () => {
  await using cleaner = new AsyncDisposableStack();
  const own = cleaner.adopt(await startTestEdge(), (e) => e.stop());
  const apps = cleaner.use(await RawApp.ready(own, 'options'));
  const [one, other] = [cleaner.use(await UdpPeer.open()), cleaner.use(await UdpPeer.open())];
  const text = request('OPTIONS', `UDP 127.0.0.1:${one.port}`);
  one.send(text, portOf(own, 'udp'));
  await apps.ask(`sip|${transactionOf(await apps.next())}|\r\nSIP/2.0 200 OK\r\n\r\n`);
  expect(await one.next()).toStartWith('SIP/2.0 200 ');
  other.send(text, portOf(own, 'udp'));
  // It may be the same phone, to which its NAT has given another port.
  await apps.ask(`sip|${transactionOf(await apps.next())}|\r\nSIP/2.0 403 Forbidden\r\n\r\n`);
  expect(await other.next()).toStartWith('SIP/2.0 403 ');
  expect(one.inbox.size).toBe(0);
});

test('the longest Require is refused in no time', async () => {
  const commas = ','.repeat(8100);
  const headers = [`a${commas}`, ...new Array<string>(6).fill(commas), 'b'].map((value) => `Require: ${value}\r\n`);
  const text = request('OPTIONS', via()).replace('Max-Forwards', `${headers.join('')}Max-Forwards`);
  const times = [];
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    expect(await answer(text.replace(/branch=[^;\r]+/, `branch=z9hG4bK${i}`))).toMatch(
      /^SIP\/2.0 420 .*\r\nUnsupported: a, b\r\n/s,
    );
    times.push(performance.now() - start);
  }
  expect(Math.min(...times)).toBeLessThan(100);
});

test('what the edge holds can be looked up: its connections, and transactions of 32 s', async () => {
  const NOTHING = {
    ...{ connections: 0, requestsUnderWay: 0, keptBytes: 0, serverTransactions: 0, clientTransactions: 0 },
  };
  const clock = new ManualClock();
  const own = await startTestEdge({ clock });
  using apps = await RawApp.ready(own, 'options');
  using byUdp = await UdpPeer.open();
  const byTcp = await TcpPeer.open(portOf(own, 'tcp'));
  byUdp.send(request('OPTIONS', `UDP 127.0.0.1:${byUdp.port}`), portOf(own, 'udp'));
  const first = await apps.next();
  byTcp.send(request('OPTIONS', 'TCP a.invalid'));
  const second = await apps.next();
  expect(own.holding).toEqual({ ...NOTHING, connections: 1, requestsUnderWay: 1, serverTransactions: 2 });

  for (const frame of [first, second]) await apps.ask(`sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
  await byUdp.next();
  await byTcp.next();
  expect(own.holding).toEqual({ ...NOTHING, connections: 1, serverTransactions: 1 });

  byTcp.send('OPTIONS sip:');
  while (own.holding.keptBytes === 0) await new Promise((resolve) => setImmediate(resolve));
  expect(own.holding.keptBytes).toBe(12);
  byTcp.socket.destroy();
  while (own.holding.connections > 0) await new Promise((resolve) => setImmediate(resolve));
  expect(own.holding).toEqual({ ...NOTHING, serverTransactions: 1 });

  const uri = `sip:127.0.0.1:${byUdp.port}`;
  await apps.ask(`sip|||${uri}\r\nOPTIONS ${uri} SIP/2.0\r\n\r\n`);
  await byUdp.next();
  expect(own.holding.clientTransactions).toBe(1);
  clock.advance(33_000);
  expect(own.holding).toEqual(NOTHING);
  await own.stop();
});
