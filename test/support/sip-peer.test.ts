import { describe, expect, test } from 'bun:test';
import { connect } from 'node:net';
import { ALGORITHMS, type Algorithm, digestResponse } from '../../src/digest/algorithm.ts';
import { parseAuthHeader } from '../../src/digest/credentials.ts';
import { within } from './deadline.ts';
import { SipPeer } from './sip-peer.ts';
import {
  forbidden,
  inTurn,
  intervalTooBrief,
  movedTemporarily,
  notFound,
  Registrar,
  serviceUnavailable,
} from './sip-registrar.ts';

const URI = 'sip:registrar.test';
let branches = 0;

function text(method: string, extra: readonly string[] = [], branch = `z9hG4bK${++branches}`): string {
  const head = [
    `${method} ${URI} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1;branch=${branch}`,
    'From: <sip:alice@registrar.test>;tag=1',
    'To: <sip:alice@registrar.test>',
    'Call-ID: one',
    `CSeq: 1 ${method}`,
  ];
  return `${[...head, ...extra, 'Content-Length: 0'].join('\r\n')}\r\n\r\n`;
}

async function phone(peer: SipPeer) {
  const answers: string[] = [];
  let waiting: ((answer: string) => void) | undefined;
  const socket = await Bun.udpSocket({
    hostname: '127.0.0.1',
    socket: {
      data: (_socket, data) => {
        if (waiting) waiting(data.toString());
        else answers.push(data.toString());
        waiting = undefined;
      },
    },
  });
  const next = () =>
    within(
      new Promise<string>((resolve) => {
        const answer = answers.shift();
        if (answer === undefined) waiting = resolve;
        else resolve(answer);
      }),
      5000,
      'answer',
    );
  const send = (message: string) => void socket.send(message, peer.port, peer.host);
  return {
    send,
    next,
    ask: (message: string) => {
      send(message);
      return next();
    },
    close: () => socket.close(),
  };
}

function credentials(challenge: string, algorithm: Algorithm, password: string, count = 1): string {
  const value = /-Authenticate: (.*)\r/.exec(challenge)?.[1] ?? '';
  const params = parseAuthHeader(value)[0]?.params;
  const realm = params?.get('realm') ?? '';
  const nonce = params?.get('nonce') ?? '';
  const nc = count.toString(16).padStart(8, '0');
  const qop = params?.has('qop') ? { qop: { nc, count, cnonce: 'c' } } : {};
  const base = { username: 'alice', realm, nonce, uri: URI, response: '', ...qop };
  const response = digestResponse(algorithm, base, password, 'REGISTER');
  const tail = params?.has('qop') ? `, qop=auth, nc=${nc}, cnonce="c"` : '';
  return `Digest username="alice", realm="${realm}", nonce="${nonce}", uri="${URI}", response="${response}", algorithm=${algorithm}${tail}`;
}

describe('a peer', () => {
  test('records requests, answers by its script, and repeats itself to a retransmission', async () => {
    const peer = await SipPeer.start(
      inTurn(forbidden, () => ({ status: 200 })),
      '127.0.0.7',
    );
    const client = await phone(peer);
    const first = text('REGISTER', ['Contact: <sip:a@127.0.0.1>', 'm: <sip:b@127.0.0.1>']);
    const answer = await client.ask(first);
    expect(answer).toStartWith('SIP/2.0 403 Forbidden\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=');
    expect(await client.ask(first)).toBe(answer);
    expect(peer.retransmissions).toBe(1);
    expect(await client.ask(text('OPTIONS'))).toStartWith('SIP/2.0 200 ');
    expect(peer.requests).toMatchObject([
      { method: 'REGISTER', uri: URI, transport: 'udp', source: { address: '127.0.0.1' } },
      { method: 'OPTIONS' },
    ]);
    expect(peer.requests[0]?.headers('Contact')).toEqual(['<sip:a@127.0.0.1>', '<sip:b@127.0.0.1>']);
    client.close();
  });

  test('next finds what was there, then what has yet to come, each once', async () => {
    const peer = await SipPeer.start(() => 'silent');
    const client = await phone(peer);
    const later = peer.next(({ method }) => method === 'REGISTER');
    client.send(text('OPTIONS'));
    client.send(text('REGISTER'));
    expect((await later).method).toBe('REGISTER');
    client.send(text('OPTIONS'));
    expect((await peer.next()).method).toBe('OPTIONS');
    await expect(peer.next(() => true, 20)).rejects.toThrow('no such request within 20 ms');
    client.close();
  });

  test('several answers: provisional ones first', async () => {
    const peer = await SipPeer.start(() => [{ status: 100, reason: 'Trying' }, { status: 404 }]);
    const client = await phone(peer);
    expect(await client.ask(text('OPTIONS'))).toStartWith('SIP/2.0 100 Trying\r\n');
    expect(await client.next()).toStartWith('SIP/2.0 404 ');
    client.close();
  });

  test('by TCP, however the stream is cut; closes in the middle of an answer; stops and comes back', async () => {
    const peer = await SipPeer.start();
    const open = async () => {
      const socket = connect(peer.port, peer.host);
      let received = '';
      const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(received)));
      const has = (wanted: string) =>
        new Promise<void>((resolve) => {
          socket.on('data', (data) => {
            received += data.toString();
            if (received.includes(wanted)) resolve();
          });
        });
      return { socket, closed, has };
    };
    const first = await open();
    const two = text('OPTIONS') + text('REGISTER');
    const answered = first.has('1 REGISTER');
    first.socket.write(`\r\n\r\n${two.slice(0, 50)}`);
    first.socket.write(two.slice(50));
    await within(answered, 5000, 'answers');
    expect(peer.requests.map(({ method, transport }) => `${method} ${transport}`)).toEqual([
      'OPTIONS tcp',
      'REGISTER tcp',
    ]);

    peer.script = () => 'close-mid-message';
    const half = await open();
    const begun = half.has('SIP/2.0 200');
    half.socket.write(text('OPTIONS'));
    await within(begun, 5000, 'half an answer');
    expect(await within(half.closed, 5000, 'end')).not.toContain('\r\n\r\n');

    await peer.stop();
    await within(first.closed, 5000, 'end');
    await peer.listen();
    peer.script = () => movedTemporarily('<sip:other.test>');
    const again = await open();
    const moved = again.has('Contact: <sip:other.test>');
    again.socket.write(text('OPTIONS'));
    await within(moved, 5000, 'answer');
    again.socket.destroy();
  });
});

describe('a registrar', () => {
  test.each(
    ALGORITHMS.flatMap((algorithm) => [
      [algorithm, 401, true],
      [algorithm, 407, false],
    ]) as [Algorithm, 401 | 407, boolean][],
  )('%s, %p, qop %p: challenges, verifies, grants, forgets', async (algorithm, challenge, qop) => {
    const registrar = new Registrar({
      password: (user) => (user === 'alice' ? 'wonderland' : undefined),
      algorithms: [algorithm],
      challenge,
      qop,
      minExpires: 60,
      grant: (asked) => Math.min(asked, 600),
    });
    const peer = await SipPeer.start(registrar.script);
    const client = await phone(peer);
    const name = challenge === 401 ? 'Authorization' : 'Proxy-Authorization';
    const contact = 'Contact: <sip:alice@127.0.0.1>';
    const asked = await client.ask(text('REGISTER', [contact]));
    expect(asked).toStartWith(`SIP/2.0 ${challenge} `);

    const wrong = `${name}: ${credentials(asked, algorithm, 'guess')}`;
    expect(await client.ask(text('REGISTER', [contact, wrong]))).toStartWith('SIP/2.0 403 ');
    const brief = `${name}: ${credentials(asked, algorithm, 'wonderland', 1)}`;
    expect(await client.ask(text('REGISTER', [contact, 'Expires: 59', brief]))).toContain('\r\nMin-Expires: 60\r\n');
    const right = `${name}: ${credentials(asked, algorithm, 'wonderland', 2)}`;
    expect(await client.ask(text('REGISTER', [contact, right]))).toContain(
      'Contact: <sip:alice@127.0.0.1>;expires=600',
    );
    expect(registrar.registered.get('alice')).toEqual({ contact: '<sip:alice@127.0.0.1>', expires: 600 });

    registrar.expireNonces();
    const late = `${name}: ${credentials(asked, algorithm, 'wonderland', 3)}`;
    const stale = await client.ask(text('REGISTER', [contact, late]));
    expect(stale).toContain('stale=true');
    const bye = `${name}: ${credentials(stale, algorithm, 'wonderland')}`;
    expect(await client.ask(text('REGISTER', [`${contact};expires=0`, bye]))).toStartWith('SIP/2.0 200 OK');
    expect(registrar.registered.size).toBe(0);
    expect(registrar.refused).toBe(1);
    client.close();
  });

  test('other ways to say no', async () => {
    const registrar = new Registrar({ password: () => 'wonderland', others: notFound });
    const peer = await SipPeer.start(registrar.script);
    const client = await phone(peer);
    expect(await client.ask(text('OPTIONS'))).toStartWith('SIP/2.0 404 Not Found\r\n');
    client.close();
    expect(serviceUnavailable('120 (maintenance)')).toMatchObject({
      status: 503,
      headers: { 'Retry-After': '120 (maintenance)' },
    });
    expect(intervalTooBrief(90)).toMatchObject({ status: 423, headers: { 'Min-Expires': '90' } });
  });
});
