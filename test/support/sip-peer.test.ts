import { describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { ALGORITHMS, type Algorithm } from '../../src/digest/algorithm.ts';
import type { SipAnswer } from '../../src/ports/sip-server.ts';
import { headerOf, Phone } from './phone.ts';
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
import { composeRequest } from './sip-request.ts';
import { openStream, UdpPeer } from './wire.ts';

const URI = 'sip:registrar.test';

const text = (method: string, extra = '') => composeRequest(method, URI, {}, { extra });

async function ask(client: UdpPeer, message: string): Promise<string> {
  client.send(message);
  return await client.next();
}

describe('a peer', () => {
  test('records requests, answers by its script, and repeats itself to a retransmission', async () => {
    const peer = await SipPeer.start(
      inTurn(forbidden, () => ({ status: 200 })),
      '127.0.0.7',
    );
    using client = await UdpPeer.open(peer.port, peer.host);
    const first = text('REGISTER', 'Contact: <sip:a@127.0.0.1>\r\nm: <sip:b@127.0.0.1>\r\n');
    const answer = await ask(client, first);
    expect(answer).toStartWith('SIP/2.0 403 Forbidden\r\nVia: SIP/2.0/UDP phone.example.com;branch=');
    expect(await ask(client, first)).toBe(answer);
    expect(peer.retransmissions).toBe(1);
    expect(await ask(client, text('OPTIONS'))).toStartWith('SIP/2.0 200 ');
    expect(peer.requests).toMatchObject([
      { method: 'REGISTER', uri: URI, transport: 'udp', source: { address: '127.0.0.1' } },
      { method: 'OPTIONS' },
    ]);
    expect(peer.requests[0]?.headers('Contact')).toEqual(['<sip:a@127.0.0.1>', '<sip:b@127.0.0.1>']);
  });

  test('next finds what was there, then what has yet to come, each once', async () => {
    const peer = await SipPeer.start(() => 'silent');
    using client = await UdpPeer.open(peer.port, peer.host);
    const later = peer.next(({ method }) => method === 'REGISTER');
    client.send(text('OPTIONS'));
    client.send(text('REGISTER'));
    expect((await later).method).toBe('REGISTER');
    client.send(text('OPTIONS'));
    expect((await peer.next()).method).toBe('OPTIONS');
    await expect(peer.next(() => true, 20)).rejects.toThrow('no such request within 20 ms');
  });

  test('several answers: provisional ones first', async () => {
    const peer = await SipPeer.start(() => [{ status: 100, reason: 'Trying' }, { status: 404 }]);
    using client = await UdpPeer.open(peer.port, peer.host);
    expect(await ask(client, text('OPTIONS'))).toStartWith('SIP/2.0 100 Trying\r\n');
    expect(await client.next()).toStartWith('SIP/2.0 404 ');
  });

  test('by TCP, however the stream is cut; closes in the middle of an answer; stops and comes back', async () => {
    const peer = await SipPeer.start();
    const open = () => openStream('tcp', peer.port, peer.host);
    using first = await open();
    const two = text('OPTIONS') + text('REGISTER');
    first.socket.write(`\r\n\r\n${two.slice(0, 50)}`);
    first.socket.write(two.slice(50));
    for (const method of ['OPTIONS', 'REGISTER']) expect(await first.next()).toContain(`\r\nCSeq: 1 ${method}\r\n`);
    expect(peer.requests.map(({ method, transport }) => `${method} ${transport}`)).toEqual([
      'OPTIONS tcp',
      'REGISTER tcp',
    ]);

    peer.script = () => 'close-mid-message';
    using half = await open();
    half.send(text('OPTIONS'));
    const [begun] = await once(half.socket, 'data');
    expect(String(begun)).toStartWith('SIP/2.0 200');
    await half.closed;
    expect(half.inbox.size).toBe(0);

    await peer.stop();
    await first.closed;
    await peer.listen();
    peer.script = () => movedTemporarily('<sip:other.test>');
    using again = await open();
    again.send(text('OPTIONS'));
    expect(await again.next()).toContain('Contact: <sip:other.test>');
  });

  test('a request that is lost is answered when it comes again', async () => {
    const peer = await SipPeer.start(inTurn(() => 'lost', forbidden));
    using client = await UdpPeer.open(peer.port, peer.host);
    const message = text('OPTIONS');
    client.send(message);
    expect(await ask(client, message)).toStartWith('SIP/2.0 403 ');
    expect(peer.requests).toHaveLength(2);
    expect(peer.retransmissions).toBe(0);
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
    using phone = await Phone.open(peer, { user: 'alice', password: 'wonderland', realm: 'registrar.test' });
    const name = challenge === 401 ? 'Authorization' : 'Proxy-Authorization';
    const answering = (challenged: SipAnswer, password?: string) => ({
      headers: { [name]: phone.answer(challenged, password === undefined ? {} : { password }) },
    });
    const challenged = await phone.send({ expires: null });
    expect(challenged.status).toBe(challenge);
    expect((await phone.send({ expires: null, ...answering(challenged, 'guess') })).status).toBe(403);
    const brief = await phone.send({ expires: 59, ...answering(challenged) });
    expect(headerOf(brief, 'Min-Expires')).toBe('60');
    const granted = await phone.send({ expires: null, ...answering(challenged) });
    expect(headerOf(granted, 'Contact')).toBe(`<${phone.contact}>;expires=600`);
    expect(registrar.registered.get('alice')).toEqual({ contact: `<${phone.contact}>`, expires: 600 });

    registrar.expireNonces();
    const stale = await phone.send({ expires: null, ...answering(challenged) });
    expect(headerOf(stale, challenge === 401 ? 'WWW-Authenticate' : 'Proxy-Authenticate')).toContain('stale=true');
    const contact = `<${phone.contact}>;expires=0`;
    const removed = await phone.send({ contact, expires: null, ...answering(stale) });
    expect(removed).toMatchObject({ status: 200, reason: 'OK' });
    expect(registrar.registered.size).toBe(0);
    expect(registrar.refused).toBe(1);
  });

  test('other ways to say no', async () => {
    const registrar = new Registrar({ password: () => 'wonderland', others: notFound });
    const peer = await SipPeer.start(registrar.script);
    using client = await UdpPeer.open(peer.port, peer.host);
    expect(await ask(client, text('OPTIONS'))).toStartWith('SIP/2.0 404 Not Found\r\n');
    expect(serviceUnavailable('120 (maintenance)')).toMatchObject({
      status: 503,
      headers: { 'Retry-After': '120 (maintenance)' },
    });
    expect(intervalTooBrief(90)).toMatchObject({ status: 423, headers: { 'Min-Expires': '90' } });
  });
});
