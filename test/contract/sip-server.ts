import { describe, expect, test } from 'bun:test';
import pLimit from 'p-limit';
import { parseAuthHeader } from '../../src/digest/credentials.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import type { OutboundRequest, SipServer } from '../../src/ports/sip-server.ts';
import { headerValue, headerValues } from '../../src/sip/message.ts';
import type { NextHop } from '../../src/sip/next-hop.ts';
import { within } from '../support/deadline.ts';
import { startKamailio } from '../support/kamailio.ts';
import { freePort } from '../support/net.ts';
import { digestCredentials } from '../support/phone.ts';
import { TestScreen } from '../support/screen.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { Registrar, serviceUnavailable } from '../support/sip-registrar.ts';
import { request as requestText, responseTo } from '../support/sip-request.ts';
import { openStream, UdpPeer } from '../support/wire.ts';

const DEADLINE_MS = 5000;

/** A SIP server that has not been connected yet; it listens by UDP and TCP on 127.0.0.1. */
export type OpenSipServer = () => Promise<SipServer>;

/** What becomes of a request from a banned source: the edge is silent, drachtio has to answer. */
export type Banned = 'dropped' | 'answered 403';

/** What holds for everything that answers phones. */
export function sipServerContract(open: OpenSipServer, banned: Banned): void {
  async function connected(prepare: (server: SipServer) => void = () => {}): Promise<SipServer> {
    const server = await open();
    prepare(server);
    await within(server.connect(), DEADLINE_MS, 'connecting');
    return server;
  }

  const options = (nextHop: NextHop, headers: OutboundRequest['headers'] = {}): OutboundRequest => ({
    method: 'OPTIONS',
    uri: 'sip:peer.test',
    nextHop,
    headers,
  });

  describe('a server', () => {
    test('has no addresses before it is connected', async () => {
      const server = await open();
      expect(server.connected).toBe(false);
      expect(server.hostports).toBe('');
      const nextHop = { address: '127.0.0.1', port: 5060, transport: 'udp' } as const;
      await expect(server.request(options(nextHop), 100)).rejects.toBeInstanceOf(Unavailable);
    });

    test('tells its listeners that it is connected, and knows its addresses then', async () => {
      let seen = '';
      const server = await connected((s) =>
        s.onConnected(() => {
          seen = s.hostports;
        }),
      );
      expect(server.connected).toBe(true);
      expect(seen).toMatch(/^udp\/127\.0\.0\.1:\d+,tcp\/127\.0\.0\.1:\d+$/);
      expect(server.hostports).toBe(seen);
      expect(server.privateAddress).toBe(/tcp\/(127\.0\.0\.1:\d+)/.exec(seen)?.[1] ?? '');
    });
  });

  describe('a request from outside', () => {
    const portOf = (server: SipServer) => Number(/udp\/127\.0\.0\.1:(\d+)/.exec(server.hostports)?.[1]);

    test('reaches the handler of its method, read, with its source; the answer goes back', async () => {
      using phone = await UdpPeer.open();
      const server = await connected((s) => {
        s.handle('OPTIONS', async () => ({ status: 404 }));
        s.handle('REGISTER', async ({ method, uri, source, callId, cseq, topVia, to }) => ({
          status: 200,
          headers: {
            Contact: ['<sip:a@192.0.2.1>', '<sip:b@192.0.2.1>'],
            'X-Seen': `${method} ${uri} ${source.transport} ${source.address} ${source.port} ${callId} ${cseq.number} ${topVia.protocol} ${to}`,
          },
        }));
      });
      phone.send(requestText('REGISTER', `UDP 127.0.0.1:${phone.port}`, { callId: 'c1' }), portOf(server));
      const response = await phone.next();
      expect(response).toStartWith('SIP/2.0 200 OK\r\n');
      expect(response).toContain('Contact: <sip:a@192.0.2.1>\r\nContact: <sip:b@192.0.2.1>\r\n');
      expect(response).toContain(
        `X-Seen: REGISTER sip:sidecar.test udp 127.0.0.1 ${phone.port} c1 1 UDP <sip:demo@sidecar.test>\r\n`,
      );
    });

    test.each(['udp', 'tcp'] as const)('by %s has the listener that received it', async (transport) => {
      const seen: unknown[] = [];
      const server = await connected((s) =>
        s.handle('OPTIONS', async ({ receivedOn }) => {
          seen.push(receivedOn);
          return { status: 200 };
        }),
      );
      const port = Number(new RegExp(`${transport}/127\\.0\\.0\\.1:(\\d+)`).exec(server.hostports)?.[1]);
      using peer = transport === 'udp' ? await UdpPeer.open(port) : await openStream('tcp', port);
      peer.send(
        requestText('OPTIONS', `${transport.toUpperCase()} 127.0.0.1:${transport === 'udp' ? peer.port : 5060}`),
      );
      expect(await peer.next()).toStartWith('SIP/2.0 200 ');
      expect(seen).toEqual([{ transport, address: '127.0.0.1', port }]);
    });

    test.each([
      ['throws', () => Promise.reject(new Error('broken'))],
      ['answers with a line break in a header', async () => ({ status: 200, headers: { 'X-A': 'a\r\nVia: b' } })],
    ])('is answered 500 when its handler %s', async (_, handler) => {
      using phone = await UdpPeer.open();
      const server = await connected((s) => s.handle('OPTIONS', handler));
      phone.send(requestText('OPTIONS', `UDP 127.0.0.1:${phone.port}`), portOf(server));
      expect(await phone.next()).toStartWith('SIP/2.0 500 ');
    });

    test('that is in progress when the server stops is answered first', async () => {
      using phone = await UdpPeer.open();
      const begun = Promise.withResolvers<void>();
      const answer = Promise.withResolvers<{ status: number }>();
      const server = await connected((s) =>
        s.handle('OPTIONS', () => {
          begun.resolve();
          return answer.promise;
        }),
      );
      phone.send(requestText('OPTIONS', `UDP 127.0.0.1:${phone.port}`), portOf(server));
      await within(begun.promise, DEADLINE_MS, 'the request');
      const stopped = server.stop(DEADLINE_MS);
      expect(server.connected).toBe(false);
      answer.resolve({ status: 200 });
      expect(await phone.next()).toStartWith('SIP/2.0 200 ');
      await within(stopped, DEADLINE_MS, 'the end of the server');
    });

    test('whose handler never answers does not keep the server from stopping', async () => {
      using phone = await UdpPeer.open();
      const begun = Promise.withResolvers<void>();
      const server = await connected((s) =>
        s.handle('OPTIONS', () => {
          begun.resolve();
          return new Promise(() => {});
        }),
      );
      phone.send(requestText('OPTIONS', `UDP 127.0.0.1:${phone.port}`), portOf(server));
      await within(begun.promise, DEADLINE_MS, 'the request');
      await within(server.stop(10), DEADLINE_MS, 'the end of the server');
    });
  });

  describe('a screen', () => {
    const portOf = (server: SipServer) => Number(/udp\/127\.0\.0\.1:(\d+)/.exec(server.hostports)?.[1]);

    const INTRUDER = '127.0.0.66';

    async function screened(screen: TestScreen) {
      const served: string[] = [];
      const server = await connected((s) => {
        s.screen(screen);
        s.handle('OPTIONS', async ({ source }) => {
          served.push(source.address);
          return { status: 200 };
        });
      });
      const port = portOf(server);
      const intruder = await UdpPeer.open(port, '127.0.0.1', INTRUDER);
      const phone = await UdpPeer.open(port);
      /** By UDP; to the intruder's messages comes what comes to a banned source, before the phone is answered. */
      const refused = async (text: string) => {
        intruder.send(text);
        if (banned === 'answered 403') expect(await intruder.next()).toStartWith('SIP/2.0 403 ');
        phone.send(requestText('OPTIONS', `UDP 127.0.0.1:${phone.port}`));
        expect(await phone.next()).toStartWith('SIP/2.0 200 ');
        expect(intruder.inbox.size).toBe(0);
      };
      const text = (headers = '') =>
        requestText('OPTIONS', `UDP ${INTRUDER}:${intruder.port}`).replace(/\r\n\r\n$/, `\r\n${headers}\r\n`);
      const close = () => {
        for (const peer of [intruder, phone]) peer[Symbol.dispose]();
      };
      return { served, port, intruder, phone, refused, text, [Symbol.dispose]: close };
    }

    test(`bans an address, whose requests are ${banned}, while others are served`, async () => {
      const screen = new TestScreen(INTRUDER);
      screen.ban();
      using world = await screened(screen);
      await world.refused(world.text());
      await world.refused(world.text());
      expect(world.served).toEqual(['127.0.0.1', '127.0.0.1']);
    });

    test(`may ban because of a request, which is ${banned} too`, async () => {
      using world = await screened(new TestScreen(INTRUDER));
      world.intruder.send(world.text());
      expect(await world.intruder.next()).toStartWith('SIP/2.0 200 ');
      await world.refused(world.text('User-Agent: intruder\r\n'));
      await world.refused(world.text());
      expect(world.served).toEqual([INTRUDER, '127.0.0.1', '127.0.0.1']);
    });
  });

  describe.each(['udp', 'tcp'] as const)('a request of ours by %s', (transport) => {
    test('a registration: 401, then 200 with the same Call-ID and the next CSeq', async () => {
      const server = await connected();
      const registrar = new Registrar({ password: () => 'wonderland', realm: 'carrier.test', grant: () => 600 });
      const carrier = await SipPeer.start(registrar.script, '127.0.0.8');
      const register = (cseq: number, more: Record<string, string> = {}) =>
        server.request(
          {
            method: 'REGISTER',
            uri: 'sip:carrier.test',
            nextHop: carrier.nextHop(transport),
            headers: {
              'Call-ID': 'trunk-1',
              CSeq: `${cseq} REGISTER`,
              From: '<sip:alice@carrier.test>;tag=mine',
              To: '<sip:alice@carrier.test>',
              Contact: `<sip:alice@192.0.2.1;transport=${transport}>`,
              Expires: '3600',
              'X-Trunk': 'seven',
              ...more,
            },
          },
          DEADLINE_MS,
        );
      const challenged = await register(7);
      expect(challenged).toMatchObject({ status: 401, reason: 'Unauthorized', local: false });
      const params = parseAuthHeader(headerValue(challenged.headers, 'WWW-Authenticate') ?? '')[0]?.params;
      const nonce = params?.get('nonce') ?? '';
      const alice = { user: 'alice', password: 'wonderland', realm: 'carrier.test' };
      const authorization = digestCredentials(alice, nonce);
      const granted = await register(8, { Authorization: authorization });
      expect(granted).toMatchObject({ status: 200, local: false });
      expect(headerValues(granted.headers, 'Contact')).toEqual([
        `<sip:alice@192.0.2.1;transport=${transport}>;expires=600`,
      ]);

      const [first, second] = carrier.requests;
      expect(carrier.requests.map((request) => request.transport)).toEqual([transport, transport]);
      expect([first?.header('Call-ID'), second?.header('Call-ID')]).toEqual(['trunk-1', 'trunk-1']);
      expect([first?.header('CSeq'), second?.header('CSeq')]).toEqual(['7 REGISTER', '8 REGISTER']);
      expect(second?.header('From')).toBe('<sip:alice@carrier.test>;tag=mine');
      expect(second?.header('X-Trunk')).toBe('seven');
      expect(second?.header('Via')).toStartWith(`SIP/2.0/${transport.toUpperCase()} 127.0.0.1:`);
    });

    test('a provisional response is not the final one', async () => {
      const server = await connected();
      const gateway = await SipPeer.start(() => [
        { status: 100, reason: 'Trying' },
        { status: 404, reason: 'Not Found', headers: { Warning: ['399 a "one"', '399 a "two"'] } },
      ]);
      const response = await server.request(options(gateway.nextHop(transport)), DEADLINE_MS);
      expect(response).toMatchObject({ status: 404, reason: 'Not Found', local: false });
      expect(headerValues(response.headers, 'Warning')).toEqual(['399 a "one"', '399 a "two"']);
    });

    test('a closed port is a 503 of the SIP server; a 503 of the peer is not', async () => {
      const server = await connected();
      const closed = { address: '127.0.0.1', port: await freePort(), transport };
      expect(await server.request(options(closed), DEADLINE_MS)).toMatchObject({ status: 503, local: true });
      const overloaded = await SipPeer.start(() => serviceUnavailable(120));
      const response = await server.request(options(overloaded.nextHop(transport)), DEADLINE_MS);
      expect(response).toMatchObject({ status: 503, local: false });
      expect(headerValue(response.headers, 'Retry-After')).toBe('120');
    });

    test('silence ends with the deadline and does not affect later requests', async () => {
      const server = await connected();
      const gateway = await SipPeer.start(() => 'silent');
      const unanswered = server.request(options(gateway.nextHop(transport)), 100);
      await expect(unanswered).rejects.toThrow('SIP server: no response to OPTIONS within 100 ms');
      gateway.script = () => ({ status: 204 });
      expect(await server.request(options(gateway.nextHop(transport)), DEADLINE_MS)).toMatchObject({ status: 204 });
    });
  });

  describe('a next hop', () => {
    const hop = (transport: NextHop['transport'], address: string) => ({ transport, address, port: 5060 });

    test('can be reached before the listeners are known', async () => {
      const server = await open();
      expect(server.canReach(hop('tls', '2001:db8::1'))).toBe(true);
    });

    test.each<[NextHop['transport'], string, boolean]>([
      ['udp', '192.0.2.1', true],
      ['tcp', '192.0.2.1', true],
      ['tls', '192.0.2.1', false],
      ['udp', '2001:db8::1', false],
      ['tcp', '2001:db8::1', false],
      ['udp', '::ffff:192.0.2.1', true],
    ])('by %s at %s can be reached by udp and tcp listeners of IPv4: %p', async (transport, address, expected) => {
      const server = await connected();
      expect(server.canReach(hop(transport, address))).toBe(expected);
    });
  });

  describe('a request of ours', () => {
    /** Above the 1300 bytes of RFC 3261 18.1.1. */
    const LONG = { 'X-Long': 'x'.repeat(1300) };

    test('that is too long for UDP goes by TCP', async () => {
      const server = await connected();
      const gateway = await SipPeer.start();
      expect(await server.request(options(gateway.nextHop('udp'), LONG), DEADLINE_MS)).toMatchObject({ status: 200 });
      expect(gateway.requests.map(({ transport }) => transport)).toEqual(['tcp']);
    });

    test('that is too long for UDP goes by UDP when TCP is refused, and the answer is taken', async () => {
      const server = await connected();
      using gateway = await UdpPeer.open(Number(/udp\/127\.0\.0\.1:(\d+)/.exec(server.hostports)?.[1]));
      const hop = { address: '127.0.0.1', port: gateway.port, transport: 'udp' } as const;
      const sent = server.request(options(hop, LONG), DEADLINE_MS);
      gateway.send(responseTo(await gateway.next(), '401 Unauthorized'));
      expect(await sent).toMatchObject({ status: 401, local: false });
    });

    test('goes over a new connection when the peer ends the old one under it', async () => {
      const server = await connected();
      const gateway = await SipPeer.start();
      const send = () => server.request(options(gateway.nextHop('tcp')), DEADLINE_MS);
      expect(await send()).toMatchObject({ status: 200 });
      gateway.script = () => 'silent';
      const sent = send();
      await gateway.next(() => gateway.requests.length === 2);
      gateway.script = () => ({ status: 200 });
      gateway.disconnect();
      expect(await sent).toMatchObject({ status: 200, local: false });
      expect(new Set(gateway.requests.map(({ source }) => source.port)).size).toBe(2);
    });

    test('whose connection ends in the middle of the response is a 503 of the SIP server', async () => {
      const server = await connected();
      const gateway = await SipPeer.start(() => 'close-mid-message');
      const response = await server.request(options(gateway.nextHop('tcp')), DEADLINE_MS);
      expect(response).toMatchObject({ status: 503, local: true });
    });

    test('gets its own response, two thousand of them a hundred at a time', async () => {
      const server = await connected();
      const gateway = await SipPeer.start((request) => ({
        status: 200,
        headers: { 'X-Echo': request.header('X-Number') ?? '' },
      }));
      const numbers = Array.from({ length: 2000 }, (_, i) => String(i));
      const echoes = await pLimit(100).map(numbers, async (number) => {
        const response = await server.request(options(gateway.nextHop(), { 'X-Number': number }), 20_000);
        return headerValue(response.headers, 'X-Echo');
      });
      expect(echoes).toEqual(numbers);
      expect(gateway.requests).toHaveLength(2000);
    }, 30_000);

    test('has a header line for each of several values', async () => {
      const server = await connected();
      const gateway = await SipPeer.start();
      const values = ['Digest realm="a"', 'Digest realm="b"'];
      await server.request(options(gateway.nextHop(), { 'Proxy-Authorization': values }), DEADLINE_MS);
      expect(gateway.requests[0]?.headers('Proxy-Authorization')).toEqual(values);
    });

    test('is understood by Kamailio, and its response by us', async () => {
      const server = await connected();
      const kamailio = await startKamailio({ realm: 'sip.test', users: { alice: 'wonderland' } });
      for (const transport of ['udp', 'tcp'] as const) {
        const pong = await server.request(options(kamailio.nextHop(transport)), DEADLINE_MS);
        expect(pong).toMatchObject({ status: 200, reason: 'OK', local: false });
        expect(headerValue(pong.headers, 'Server')).toStartWith('kamailio');
      }
    }, 30_000);

    test('ends when the server stops', async () => {
      const server = await connected();
      const gateway = await SipPeer.start(() => 'silent');
      const open = Promise.allSettled([server.request(options(gateway.nextHop()), 30_000)]);
      await gateway.next();
      await server.stop(0);
      const [end] = await within(open, DEADLINE_MS, 'the end of the request');
      if (end.status === 'rejected') expect(end.reason).toBeInstanceOf(Unavailable);
      else expect(end.value).toMatchObject({ status: 503, local: true });
    });

    const HERE = { address: '127.0.0.1', port: 5060, transport: 'udp' } as const;
    test.each([
      ['a next hop without a port', options({ ...HERE, port: 99_999 })],
      ['a next hop that is no address', options({ ...HERE, address: 'peer.test' })],
      ['a Request-URI with a blank', { ...options(HERE), uri: 'sip:a b' }],
      ['a Request-URI with a line break', { ...options(HERE), uri: 'sip:a SIP/2.0\r\nX: y' }],
      ['no Request-URI', { ...options(HERE), uri: '' }],
      ['a line break in a value', options(HERE, { 'X-A': 'a\r\nVia: b' })],
      ['a line feed in a value', options(HERE, { 'X-A': 'a\nVia: b' })],
      ['a line break in a name', options(HERE, { 'X-A: b\r\nX-B': 'c' })],
      ['a header of 12 000 bytes', options(HERE, { 'X-A': 'x'.repeat(12_000) })],
      ['an address family without a listener', options({ ...HERE, address: '::1', transport: 'tcp' })],
      ['a malformed From', options(HERE, { From: '<<<bad' })],
    ])('is not sent with %s', async (_, request) => {
      const server = await connected();
      await expect(server.request(request, DEADLINE_MS)).rejects.toBeInstanceOf(Unavailable);
    });
  });
}
