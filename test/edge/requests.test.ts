import { describe, expect, test } from 'bun:test';
import type { EdgeOptions } from '../../src/edge/index.ts';
import { disposedAfterEach } from '../support/after-each.ts';
import { eventually } from '../support/eventually.ts';
import { request } from '../support/sip-request.ts';
import { UdpPeer } from '../support/wire.ts';
import { causesOf, TestEdge } from './support.ts';

const cleaner = disposedAfterEach();

/** An edge and a phone that sends to it by UDP. */
async function start(options: Partial<EdgeOptions> = {}) {
  const edge = cleaner.adopt(await TestEdge.start(options), (e) => e.stop());
  const phone = cleaner.use(await UdpPeer.open(edge.port('udp')));
  return {
    edge,
    phone,
    /** What the phone's Via says, up to its branch. */
    via: `UDP 127.0.0.1:${phone.port}`,
    send: (text: string | Uint8Array) => phone.send(text),
    /** Sends a message and waits for the next response. */
    respond(text: string | Uint8Array): Promise<string> {
      phone.send(text);
      return phone.next();
    },
  };
}

describe('a request that no handler gets', () => {
  test.each(['INVITE', 'MESSAGE', 'SUBSCRIBE', 'RE%47ISTER', 'options'])(
    'because its method is %s is answered 405 with Allow',
    async (method) => {
      const { via, respond } = await start();
      const text = await respond(request(method, via));
      expect(text).toStartWith('SIP/2.0 405 Method Not Allowed\r\n');
      expect(text).toContain('\r\nAllow: REGISTER, OPTIONS\r\n');
      expect(text).toMatch(/^To: <sip:demo@sidecar\.test>;tag=\w+\r$/m);
    },
  );

  test('because it is a CANCEL is answered 481', async () => {
    const { via, respond } = await start();
    expect(await respond(request('CANCEL', via))).toStartWith('SIP/2.0 481 Call/Transaction Does Not Exist\r\n');
  });

  test('because its Request-URI has another scheme is answered 416', async () => {
    const { via, respond } = await start();
    const text = await respond(request('OPTIONS', via).replace('sip:sidecar.test', 'tel:+1'));
    expect(text).toStartWith('SIP/2.0 416 Unsupported URI Scheme\r\n');
  });

  test.each(['SIP', 'sips'])('is none that has the scheme %s in its Request-URI', async (scheme) => {
    const { edge, phone, via, send } = await start();
    send(request('OPTIONS', via).replace(' sip:', ` ${scheme}:`));
    await edge.answerNext();
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
  });

  test('because it requires extensions is answered 420 with all of them', async () => {
    const { via, respond } = await start();
    const text = await respond(request('REGISTER', via, { extra: 'Require: a, b\r\nRequire: c\r\n' }));
    expect(text).toStartWith('SIP/2.0 420 Bad Extension\r\n');
    expect(text).toContain('\r\nUnsupported: a, b, c\r\n');
  });

  test('because it requires extensions is answered 420 though its Require is as long as can be', async () => {
    const { via, respond } = await start();
    const commas = ','.repeat(8100);
    const lines = [`a${commas}`, ...new Array<string>(6).fill(commas), 'b'].map((value) => `Require: ${value}\r\n`);
    const text = await respond(request('OPTIONS', via, { extra: lines.join('') }));
    expect(text).toMatch(/^SIP\/2.0 420 .*\r\nUnsupported: a, b\r\n/s);
  });

  test('because Max-Forwards is 0 is answered 483, but OPTIONS reaches its handler', async () => {
    const { edge, via, send, respond } = await start();
    const exhausted = (method: string) => request(method, via).replace('Max-Forwards: 70', 'Max-Forwards: 0');
    expect(await respond(exhausted('REGISTER'))).toStartWith('SIP/2.0 483 Too Many Hops\r\n');
    send(exhausted('OPTIONS'));
    const { request: received } = await edge.next();
    expect(received.headers).toContainEqual({ name: 'Max-Forwards', value: '0' });
  });

  test('because it is a copy that took another way is answered 482 (RFC 3261 8.2.2.2)', async () => {
    const { edge, phone, via, send, respond } = await start();
    const text = request('REGISTER', via);
    send(text);
    const received = await edge.next();
    const copy = text.replace('branch=z9hG4bK', 'branch=z9hG4bKother');
    expect(await respond(copy)).toStartWith('SIP/2.0 482 Loop Detected\r\n');
    received.answer(200);
    expect(await phone.next()).toStartWith('SIP/2.0 200 OK\r\n');
    // One that was answered is still remembered.
    expect(await respond(copy)).toStartWith('SIP/2.0 482 ');
    expect(await respond(text)).toStartWith('SIP/2.0 200 ');
    expect(edge.received.size).toBe(0);
  });

  const mandatory = ['From', 'To', 'Call-ID', 'CSeq'];
  test.each(['From', 'To', 'Call-ID', 'CSeq', 'From|To|Call-ID'])(
    'because it has no %s is answered 400 without it',
    async (names) => {
      const { via, respond } = await start();
      const text = await respond(request('REGISTER', via).replace(new RegExp(`^(${names}): .*\r\n`, 'gm'), ''));
      expect(text).toStartWith(
        `SIP/2.0 400 Bad Request - Missing ${names.split('|')[0]}\r\nVia: SIP/2.0/${via};branch=`,
      );
      const present = mandatory.filter((name) => text.includes(`\r\n${name}: `));
      expect(present).toEqual(mandatory.filter((name) => !names.split('|').includes(name)));
    },
  );

  test.each(['From', 'To', 'Call-ID', 'CSeq'])('because its %s is empty is answered 400', async (name) => {
    const { via, respond } = await start();
    const text = await respond(request('REGISTER', via).replace(new RegExp(`^${name}: .*`, 'm'), `${name}:`));
    expect(text).toStartWith(`SIP/2.0 400 Bad Request - Malformed ${name}\r\n`);
  });

  test('because its SIP version is another one is answered 505', async () => {
    const { via, respond } = await start();
    const text = await respond(request('OPTIONS', via).replace('SIP/2.0\r', 'SIP/3.0\r'));
    expect(text).toStartWith('SIP/2.0 505 Version Not Supported\r\n');
  });

  test('because it is malformed is answered 400 with what is wrong and what the client recognises it by', async () => {
    const { phone, via, respond } = await start();
    const text = await respond(
      request('OPTIONS', via, { callId: 'mine', branch: 'z9hG4bKm' }).replace(': 70\r', ': many\r'),
    );
    expect(text).toStartWith('SIP/2.0 400 Bad Request - Malformed Max-Forwards\r\n');
    expect(text).toContain(`\r\nVia: SIP/2.0/${via};branch=z9hG4bKm;rport=${phone.port}\r\n`);
    expect(text).toContain('\r\nCall-ID: mine\r\n');
    expect(text).toContain('\r\nCSeq: 1 OPTIONS\r\n');
  });

  test('is answered with the same To tag when it comes again (RFC 3261 8.2.7)', async () => {
    const { via, respond } = await start();
    const text = request('INVITE', via);
    const first = await respond(text);
    expect(await respond(text)).toBe(first);
    const another = await respond(request('INVITE', via));
    expect(another.match(/^To: .*$/m)).not.toEqual(first.match(/^To: .*$/m));
  });
});

describe('nothing answers', () => {
  test.each<[string, (via: string) => string | Uint8Array]>([
    ['ACK', (via) => request('ACK', via)],
    ['a malformed ACK', (via) => request('ACK', via).replace('Max-Forwards: 70', 'Max-Forwards: x')],
    ['a malformed response', (via) => request('OPTIONS', via).replace(/^.*/, 'SIP/2.0 99 What')],
    ['a response to no request of ours', (via) => request('OPTIONS', via).replace(/^.*/, 'SIP/2.0 200 OK')],
    ['a request without Via', (via) => request('OPTIONS', via).replace(/^Via: .*\r\n/m, '')],
    ['a keep-alive', () => '\r\n\r\n'],
    ['noise', () => Buffer.from([0xff, 0, 1, 2, 3, 4, 5])],
    ['the longest datagram of noise', () => 'x'.repeat(65_507)],
  ])('%s', async (_what, text) => {
    const { edge, phone, via, send, respond } = await start();
    send(text(via));
    // What comes next is the response to the next request.
    expect(await respond(request('CANCEL', via))).toStartWith('SIP/2.0 481 ');
    expect(phone.inbox.size).toBe(0);
    expect(edge.received.size).toBe(0);
  });
});

test('noise is counted as malformed and dropped', async () => {
  const { edge, via, send, respond } = await start();
  send('noise that is long enough');
  await respond(request('CANCEL', via));
  expect(edge.edge.counters).toEqual({
    requests: 1,
    retransmissions: 0,
    refused: 1,
    responses: 0,
    malformed: 1,
    dropped: 1,
    banned: 0,
  });
  expect(causesOf(edge.edge.drops)).toEqual({ malformed: 1 });
});

test('a CRLF before a request is skipped (RFC 3261 7.5), and a keep-alive by UDP is nothing', async () => {
  const { edge, phone, via, send } = await start();
  send('\r\n\r\n');
  send(`\r\n${request('OPTIONS', via)}`);
  await edge.answerNext();
  expect(await phone.next()).toStartWith('SIP/2.0 200 ');
  expect(edge.edge.counters).toMatchObject({ requests: 1, malformed: 0, dropped: 0 });
});

describe('a handler gets', () => {
  test('headers in their usual spelling, unfolded, and the body byte by byte', async () => {
    const { edge, via, send } = await start();
    send(request('REGISTER', via, { body: 'zwölf', extra: 'c: text/plain\r\nx-own: a\r\n b\r\nm: <sip:a@b>\r\n' }));
    const received = await edge.answerNext();
    expect(received.headers.slice(-4)).toEqual([
      { name: 'Content-Type', value: 'text/plain' },
      { name: 'x-own', value: 'a b' },
      { name: 'Contact', value: '<sip:a@b>' },
      { name: 'Content-Length', value: '6' },
    ]);
    expect(Buffer.from(received.body).toString()).toBe('zwölf');
  });

  test('the source of the request, whatever its Via says; the response has it in the first of all Vias', async () => {
    const { edge, phone, send } = await start();
    const via = 'UDP a.invalid;rport;branch=z9hG4bKv1, SIP/2.0/UDP b.invalid;x';
    send(request('OPTIONS', via, { branch: 'z9hG4bKv2', extra: 'Via: SIP/2.0/TCP c.invalid;branch=z9hG4bKv3\r\n' }));
    const received = await edge.answerNext();
    expect(received.source).toEqual({ transport: 'udp', address: '127.0.0.1', port: phone.port });
    const text = await phone.next();
    expect(text.match(/^Via: .*$/gm)).toEqual([
      `Via: SIP/2.0/UDP a.invalid;rport=${phone.port};branch=z9hG4bKv1;received=127.0.0.1, SIP/2.0/UDP b.invalid;x;branch=z9hG4bKv2`,
      'Via: SIP/2.0/TCP c.invalid;branch=z9hG4bKv3',
    ]);
  });
});

describe('a retransmission', () => {
  const withoutBranch = (text: string) => text.replace(/;branch=z9hG4bK[^;\r]+/, '');

  test.each<[string, (via: string) => string]>([
    ['with a branch of RFC 3261', (via) => request('OPTIONS', via)],
    ['without the magic cookie (RFC 2543)', (via) => withoutBranch(request('OPTIONS', `${via};branch=1`))],
    ['without a branch (RFC 2543)', (via) => withoutBranch(request('OPTIONS', `${via};x=y`))],
  ])('%s reaches no handler, and gets the response again', async (_what, compose) => {
    const { edge, phone, via, send, respond } = await start();
    const text = compose(via);
    send(text);
    const received = await edge.next();
    send(text);
    await eventually('a retransmission', () => edge.edge.counters.retransmissions || undefined);
    received.answer(200);
    const sent = await phone.next();
    expect(sent).toStartWith('SIP/2.0 200 OK\r\n');
    expect(await respond(text)).toBe(sent);
    expect(phone.inbox.size).toBe(0);
    expect(edge.received.size).toBe(0);
    expect(edge.edge.counters.retransmissions).toBe(2);
  });

  // It may be the same phone, to which its NAT has given another port.
  test('from another address is a request of its own, and neither client gets the response of the other', async () => {
    const { edge, phone, send } = await start();
    const other = cleaner.use(await UdpPeer.open(edge.port('udp')));
    const text = request('OPTIONS', 'UDP a.invalid');
    send(text);
    await edge.answerNext(200);
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
    other.send(text);
    await edge.answerNext(403);
    expect(await other.next()).toStartWith('SIP/2.0 403 ');
    expect(phone.inbox.size).toBe(0);
  });
});

test('an OPTIONS that a monitor repeats in new transactions is answered each time', async () => {
  const { edge, via, send, phone } = await start();
  for (let i = 0; i < 3; i++) {
    send(request('OPTIONS', via, { callId: 'monitor', branch: `z9hG4bK${i}` }));
    await edge.answerNext();
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
  }
});

describe('a phone that sends from one port and listens on another', () => {
  async function startBoth() {
    const { edge, phone, send } = await start();
    const listening = cleaner.use(await UdpPeer.open());
    return { edge, phone, send, listening, via: `UDP 127.0.0.1:${listening.port}` };
  }

  test('gets the response where its Via says, and again when it retransmits; its source stays what it is', async () => {
    const { edge, phone, send, listening, via } = await startBoth();
    const text = request('REGISTER', via, { branch: 'z9hG4bKl' });
    send(text);
    const { source } = await edge.answerNext();
    expect(source).toEqual({ transport: 'udp', address: '127.0.0.1', port: phone.port });
    const response = await listening.next();
    expect(response).toContain(`\r\nVia: SIP/2.0/${via};branch=z9hG4bKl\r\n`);
    send(text);
    expect(await listening.next()).toBe(response);
    expect(phone.inbox.size).toBe(0);
  });

  test('gets refusals there too, of a malformed request and of one that no handler takes', async () => {
    const { phone, send, listening, via } = await startBoth();
    send(request('INVITE', via));
    expect(await listening.next()).toStartWith('SIP/2.0 405 ');
    send(request('OPTIONS', via).replace('CSeq: 1', 'CSeq: x'));
    expect(await listening.next()).toStartWith('SIP/2.0 400 ');
    expect(phone.inbox.size).toBe(0);
  });

  test('gets it at its source port when it asks for rport, or is behind a NAT', async () => {
    const { edge, phone, send, listening, via } = await startBoth();
    for (const sentBy of [`${via};rport`, `UDP 192.0.2.9:${listening.port}`]) {
      send(request('OPTIONS', sentBy));
      await edge.answerNext();
      expect(await phone.next()).toStartWith('SIP/2.0 200 ');
    }
    expect(listening.inbox.size).toBe(0);
  });
});

describe('what a response repeats goes back as it came', () => {
  test('two Vias joined by a comma without a blank, so that it arrives through two proxies', async () => {
    const { edge, phone, send } = await start();
    const others = ',SIP/2.0/TCP p2.test:05070;Branch=z9hG4bKa/b==;x="a,b"';
    send(request('OPTIONS', 'UDP p1.test;branch=z9hG4bKp1', { branch: 'X' }).replace(';branch=X', others));
    await edge.answerNext();
    const [, via] = /^Via: (.*)$/m.exec(await phone.next()) ?? [];
    expect(via).toBe(`SIP/2.0/UDP p1.test;branch=z9hG4bKp1;received=127.0.0.1;rport=${phone.port}${others}`);
  });

  const latin1 = (text: string) => Buffer.from(text, 'latin1');
  const spoil = (text: string) =>
    text
      .replace(/^From: .*/m, 'From: Jos\xe9\xa0 <sip:jos\xe9@sidecar.test>;tag=\xe4')
      .replace(/^To: .*/m, `To: ${Buffer.from('Zoë ').toString('latin1')}<sip:\xa0@sidecar.test>`)
      .replace(/^Call-ID: .*/m, 'Call-ID: \xe9\xff@a')
      .replace(/^(Via: [^\r]*)/m, '$1;x="\xe9"');

  /** A phone that keeps the bytes of what it receives. */
  async function startBytes(edge: TestEdge) {
    const received = Promise.withResolvers<Buffer>();
    const socket = await Bun.udpSocket({
      hostname: '127.0.0.1',
      socket: { data: (_socket, data) => received.resolve(data) },
    });
    cleaner.defer(() => socket.close());
    const send = (bytes: Buffer) => socket.send(bytes, edge.port('udp'), '127.0.0.1');
    return { send, text: async () => (await received.promise).toString('latin1') };
  }

  test('UTF-8 beside Latin-1, in one Via and in other headers', async () => {
    const { edge } = await start();
    const phone = await startBytes(edge);
    const utf8 = Buffer.from('Łódź').toString('latin1');
    const sent = request('OPTIONS', 'UDP a.invalid')
      .replace(/^(Via: [^\r]*)/m, `$1;x="${utf8}\xe9",SIP/2.0/UDP p2.test;branch=z9hG4bKp2`)
      .replace(/^From: .*/m, `From: ${utf8} <sip:a@sidecar.test>;tag=1`)
      .replace(/^Call-ID: .*/m, 'Call-ID: \xe9');
    phone.send(latin1(sent));
    await edge.answerNext();
    const text = await phone.text();
    expect(text).toContain(`;x="${utf8}\xe9"`);
    expect(text).toContain(',SIP/2.0/UDP p2.test;branch=z9hG4bKp2\r\n');
    expect(text).toContain(`From: ${utf8} <sip:a@sidecar.test>;tag=1\r\n`);
  });

  test.each(['REGISTER', 'INVITE', 'MALFORMED'])('Latin-1 in From, To, Call-ID and Via: %s', async (method) => {
    const { edge } = await start();
    const phone = await startBytes(edge);
    const sound = spoil(request(method, 'UDP a.invalid', { extra: 'User-Agent: T\xe9l\r\n' }));
    const spoilt = method === 'MALFORMED' ? sound.replace('CSeq: 1', 'CSeq: x') : sound;
    phone.send(latin1(spoilt));
    if (method === 'REGISTER') {
      const seen = await edge.answerNext({ status: 200, headers: { 'X-Own': 'Zoë' } });
      expect([seen.from, seen.callId]).toEqual(['José\xa0 <sip:josé@sidecar.test>;tag=ä', 'éÿ@a']);
      expect(seen.headers).toContainEqual(expect.objectContaining({ name: 'User-Agent', value: 'Tél' }));
    }
    const text = await phone.text();
    const line = (name: string, from: string) => new RegExp(`^${name}: .*`, 'm').exec(from)?.[0] ?? name;
    for (const name of ['From', 'Call-ID', 'CSeq']) expect(line(name, text)).toBe(line(name, spoilt));
    expect(line('To', text)).toStartWith(`${line('To', spoilt)};tag=`);
    expect(line('Via', text)).toStartWith(`${line('Via', spoilt)};received=127.0.0.1;rport=`);
    if (method === 'REGISTER') expect(text).toContain(`\r\nX-Own: ${Buffer.from('Zoë').toString('latin1')}\r\n`);
  });
});
