import { describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { type AddressInfo, createServer, isIP, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { EdgeOptions, Listener } from '../../src/edge/index.ts';
import type { ConnectionPeer } from '../../src/ports/sip-server.ts';
import { bracketed, isLoopback, unbracketed } from '../../src/sip/ip.ts';
import type { SipResponse, Source } from '../../src/sip/message.ts';
import type { OutboundTransport } from '../../src/sip/next-hop.ts';
import { disposedAfterEach } from '../support/after-each.ts';
import { authority, serverCertificate } from '../support/certificates.ts';
import { Inbox } from '../support/inbox.ts';
import { request, responseTo } from '../support/sip-request.ts';
import { openStream, StreamPeer, UdpPeer } from '../support/wire.ts';
import { serverTls, TestEdge } from './support.ts';

const cleaner = disposedAfterEach();

async function start(
  protos: Listener['proto'][],
  hosts: string[],
  options: Partial<EdgeOptions> = {},
): Promise<TestEdge> {
  const listen = hosts.flatMap((host) => protos.map((proto) => ({ proto, host, port: 0 })));
  return cleaner.adopt(await TestEdge.start({ listen, tls: serverTls(), ...options }), (edge) => edge.stop());
}

async function openUdp(port: number, host: string, localAddress?: string): Promise<UdpPeer> {
  return cleaner.use(await UdpPeer.open(port, host, localAddress));
}

/** A gateway that answers with 200 what the edge sends to it. `received` resolves with that request. */
async function openGateway(edge: TestEdge, proto: OutboundTransport, host: string, edgePort?: number) {
  if (proto === 'udp') {
    const peer = await openUdp(edgePort ?? edge.port('udp', bracketed(host)), host);
    const received = async () => {
      const text = await peer.next();
      peer.send(responseTo(text));
      return text;
    };
    return { port: peer.port, received };
  }
  const server = proto === 'tcp' ? createServer() : authority.server(serverCertificate());
  server.listen(0, host);
  cleaner.defer(() => void server.close());
  await once(server, 'listening');
  const connected = once(server, proto === 'tcp' ? 'connection' : 'secureConnection');
  const received = async () => {
    const peer = cleaner.use(new StreamPeer((await connected)[0] as Socket));
    const text = await peer.next();
    peer.send(responseTo(text));
    return text;
  };
  return { port: (server.address() as AddressInfo).port, received };
}

function sendOptions({ edge }: TestEdge, address: string, port: number, transport: OutboundTransport) {
  const nextHop = { address, port, transport };
  return edge.request({ method: 'OPTIONS', uri: `sip:${bracketed(address)}`, nextHop, headers: {} }, 60_000);
}

/** Answers the next request, and returns the source that its handler was given. */
async function answer(edge: TestEdge): Promise<Source> {
  return (await edge.answerNext()).source;
}

function expectAccepted(response: SipResponse): void {
  expect(response).toMatchObject({ status: 200, reason: 'OK', local: false });
}

describe.each([
  ['0.0.0.0', ['127.0.0.1']],
  ['::', ['127.0.0.1', '::1']],
])('listening on every address: %s', (wildcard, hosts) => {
  const listeners = (hostports: string) =>
    hostports.split(',').map((entry) => {
      const [, proto = '', host = '', port] = /^(\w+)\/(.*):(\d+)$/.exec(entry) ?? [];
      return { proto, host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
    });

  async function listenEverywhere(options: Partial<EdgeOptions> = {}) {
    const edge = await start(['udp', 'tcp'], [wildcard], options);
    const portOf = (proto: string) => listeners(edge.edge.localHostports).find((l) => l.proto === proto)?.port ?? 0;
    return { edge, udp: portOf('udp'), tcp: portOf('tcp') };
  }

  test('an address of the machine of each family is announced, beyond loopback if it has one', async () => {
    const { edge, udp, tcp } = await listenEverywhere();
    const families = wildcard === '::' ? ['IPv6', 'IPv4'] : ['IPv4'];
    const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    const own = all.filter((a) => families.includes(a.family) && !a.address.startsWith('fe80:'));
    const outside = own.filter((a) => !a.internal);
    const usable = outside.length > 0 ? outside : own;
    const expected = families
      .map((family) => usable.find((a) => a.family === family)?.address)
      .filter((address) => address !== undefined);
    for (const hostports of [edge.edge.hostports, edge.edge.localHostports])
      for (const [proto, port] of [
        ['udp', udp],
        ['tcp', tcp],
      ] as const) {
        const own = listeners(hostports).filter((l) => l.proto === proto);
        expect(own).toEqual(expected.map((host) => ({ proto, host, port })));
      }
  });

  test.each(['192.0.2.7', '2001:db8::7'])('the external address %s replaces that of its family', async (externalIp) => {
    const { edge } = await listenEverywhere({ externalIp });
    const { hostports, localHostports } = edge.edge;
    const isListening = wildcard === '::' || isIP(externalIp) === 4;
    expect(listeners(hostports).some(({ host }) => host === externalIp)).toBe(isListening);
    const otherFamily = ({ host }: { host: string }) => isIP(host) !== isIP(externalIp);
    const inside = listeners(localHostports).filter(otherFamily);
    expect(listeners(hostports).filter(otherFamily)).toEqual(
      isListening ? inside.filter(({ host }) => !isLoopback(host)) : inside,
    );
  });

  test.each(
    hosts.flatMap((host) =>
      (['udp', 'tcp'] as const).flatMap((proto) => [
        [proto, host, '192.0.2.7'] as const,
        [proto, host, '2001:db8::7'] as const,
      ]),
    ),
  )('Via and From by %s to %s are of its family, with the external address %s too', async (proto, host, externalIp) => {
    const { edge, udp, tcp } = await listenEverywhere({ externalIp });
    const gateway = await openGateway(edge, proto, host, udp);
    const responded = sendOptions(edge, host, gateway.port, proto);
    const text = await gateway.received();
    const [, sentBy = ''] = /^Via: SIP\/2\.0\/\w+ (.+?);/m.exec(text) ?? [];
    const own = /^(.+):(\d+)$/.exec(sentBy);
    expect(isIP(unbracketed(own?.[1] ?? ''))).toBe(isIP(host));
    expect(unbracketed(own?.[1] ?? '') === externalIp).toBe(isIP(host) === isIP(externalIp));
    expect(own?.[2]).toBe(String(proto === 'udp' ? udp : tcp));
    expect(text).toContain(`\r\nFrom: <sip:${sentBy}${proto === 'udp' ? '' : `;transport=${proto}`}>;tag=`);
    expectAccepted(await responded);
  });

  test.each(hosts)('a request to %s is answered from there, and its handler is given that address', async (host) => {
    const { edge, udp, tcp } = await listenEverywhere();
    const ended = new Inbox<ConnectionPeer>();
    edge.edge.connections.onEnded((peer) => ended.put(peer));
    const byUdp = await openUdp(udp, host);
    byUdp.send(request('OPTIONS', `UDP a.invalid`));
    expect(await answer(edge)).toEqual({ transport: 'udp', address: host, port: byUdp.port });
    const text = await byUdp.next();
    expect(text).toStartWith('SIP/2.0 200 OK\r\n');
    expect(text).toContain(`;received=${host};rport=${byUdp.port}\r\n`);

    const byTcp = cleaner.use(await openStream('tcp', tcp, host));
    byTcp.send(request('OPTIONS', 'TCP a.invalid'));
    expect(await answer(edge)).toEqual({ transport: 'tcp', address: host, port: byTcp.port });
    expect(await byTcp.next()).toContain(`;received=${host};rport=${byTcp.port}\r\n`);
    // Its connection is found by that address, and its end is reported with it.
    expect(edge.edge.connections.isOpen(host, byTcp.port)).toBe(true);
    const responded = sendOptions(edge, host, byTcp.port, 'tcp');
    expect(await byTcp.next()).toStartWith(`OPTIONS sip:${bracketed(host)} SIP/2.0\r\n`);
    const { port } = byTcp;
    byTcp.socket.destroy();
    expect(await ended.next('the end')).toMatchObject({ address: host, port });
    expect(edge.edge.connections.isOpen(host, port)).toBe(false);
    expect(await responded).toMatchObject({ status: 503, local: true });
  });

  test.each(hosts.flatMap((host) => [['udp', host] as const, ['tcp', host] as const]))(
    'a request of ours by %s reaches %s, and its response comes back',
    async (proto, host) => {
      const { edge, udp } = await listenEverywhere();
      const gateway = await openGateway(edge, proto, host, udp);
      const responded = sendOptions(edge, host, gateway.port, proto);
      const text = await gateway.received();
      expect(text).toStartWith(`OPTIONS sip:${bracketed(host)} SIP/2.0\r\n`);
      // Its Via has an address that the gateway can respond to: one of its own family.
      const sentBy = /^Via: SIP\/2\.0\/\w+ (.+):\d+;/m.exec(text)?.[1] ?? '';
      expect(isIP(sentBy.replace(/^\[|\]$/g, ''))).toBe(isIP(host));
      expectAccepted(await responded);
    },
  );
});

describe.each([
  ['2001:db8::7', '::1', '127.0.0.1'],
  ['192.0.2.7', '127.0.0.1', '::1'],
])('the external address %s', (externalIp, itsFamily, otherFamily) => {
  const startBoth = () => start(['udp', 'tcp'], ['127.0.0.1', '::1'], { externalIp });

  test('is announced for listeners of its own family alone', async () => {
    const edge = await startBoth();
    const announced = (own: (host: string) => string) =>
      ['127.0.0.1', '::1']
        .flatMap((host) => (['udp', 'tcp'] as const).map((p) => `${p}/${own(host)}:${edge.port(p, bracketed(host))}`))
        .join();
    expect(edge.edge.hostports).toBe(
      announced((host) => bracketed(isIP(host) === isIP(externalIp) ? externalIp : host)),
    );
    expect(edge.edge.localHostports).toBe(announced(bracketed));
  });

  test.each([
    ['udp', itsFamily, externalIp],
    ['tcp', itsFamily, externalIp],
    ['udp', otherFamily, otherFamily],
    ['tcp', otherFamily, otherFamily],
  ] as const)('Via and From of a request of ours by %s to %s have %s', async (proto, host, expected) => {
    const edge = await startBoth();
    const gateway = await openGateway(edge, proto, host);
    const responded = sendOptions(edge, host, gateway.port, proto);
    const text = await gateway.received();
    const own = `${bracketed(expected)}:${edge.port(proto, bracketed(host))}`;
    expect(text).toContain(`\r\nVia: SIP/2.0/${proto.toUpperCase()} ${own};${proto === 'udp' ? 'rport;' : ''}branch=`);
    expect(text).toContain(`\r\nFrom: <sip:${own}${proto === 'udp' ? '' : `;transport=${proto}`}>;tag=`);
    // The Via may have an address that is none of this machine: the response comes back all the same.
    expectAccepted(await responded);
  });
});

test.each<[OutboundTransport, string, string, string]>([
  ['udp', '127.0.0.1', '::ffff:127.0.0.1', '127.0.0.1'],
  ['tcp', '127.0.0.1', '::ffff:7f00:1', '127.0.0.1'],
  ['udp', '::1', '0:0:0:0:0:0:0:1', '[::1]'],
  ['tcp', '::1', '0::0:1', '[::1]'],
])('by %s to %s, written as %s: Via has %s', async (proto, host, address, own) => {
  const edge = await start([proto], [host]);
  const gateway = await openGateway(edge, proto, host);
  const nextHop = { address, port: gateway.port, transport: proto };
  const sent = edge.edge.request({ method: 'OPTIONS', uri: 'sip:peer.test', nextHop, headers: {} }, 60_000);
  expect(await gateway.received()).toContain(`\r\nVia: SIP/2.0/${proto.toUpperCase()} ${own}:`);
  expectAccepted(await sent);
});

test('a request to loopback leaves from a listener on loopback, if there is one', async () => {
  const edge = await start(['udp'], ['0.0.0.0', '127.0.0.1']);
  const gateway = await openGateway(edge, 'udp', '127.0.0.1');
  const sent = sendOptions(edge, '127.0.0.1', gateway.port, 'udp');
  expect(await gateway.received()).toContain(`\r\nVia: SIP/2.0/UDP 127.0.0.1:${edge.port('udp')};`);
  expectAccepted(await sent);
});

describe('IPv6', () => {
  test.each(['udp', 'tcp', 'tls'] as const)(
    'a request of ours by %s arrives, and its response comes back',
    async (proto) => {
      const edge = await start([proto], ['::1']);
      const gateway = await openGateway(edge, proto, '::1');
      const responded = sendOptions(edge, '::1', gateway.port, proto);
      const text = await gateway.received();
      const own = `[::1]:${edge.port(proto, '[::1]')}`;
      expect(text).toContain(`\r\nVia: SIP/2.0/${proto.toUpperCase()} ${own};`);
      expect(text).toContain(`\r\nFrom: <sip:${own}${proto === 'udp' ? '' : `;transport=${proto}`}>;tag=`);
      expectAccepted(await responded);
    },
  );

  test.each(['ws', 'wss'] as const)('a request by %s is answered over its connection', async (proto) => {
    const edge = await start([proto], ['::1']);
    const phone = cleaner.use(await openStream(proto, edge.port(proto, '[::1]'), '::1'));
    phone.send(request('OPTIONS', `${proto.toUpperCase()} a.invalid`));
    const transport = proto === 'ws' ? 'tcp' : 'tls';
    expect(await answer(edge)).toEqual({ transport, address: '::1', port: phone.port });
    const text = await phone.next();
    expect(text).toStartWith('SIP/2.0 200 OK\r\n');
    expect(text).toContain(`;received=::1;rport=${phone.port}\r\n`);
    expect(edge.edge.connections.isOpen('::1', phone.port)).toBe(true);
  });
});

test('of several addresses by UDP, a response leaves from the one that its request was sent to', async () => {
  const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
  const edge = await start(['udp'], hosts);
  // In another order than they were opened in, and all from one address.
  for (const host of ['127.0.0.2', '127.0.0.3', '127.0.0.1', '127.0.0.2']) {
    const phone = await openUdp(edge.port('udp', host), host);
    const text = request('OPTIONS', `UDP 127.0.0.1:${phone.port}`);
    phone.send(text);
    await edge.answerNext();
    const sent = await phone.next();
    expect(sent).toStartWith('SIP/2.0 200 OK\r\n');
    // So does its copy for a retransmission, and a response that the edge makes itself.
    phone.send(text);
    expect(await phone.next()).toBe(sent);
    phone.send(request('CANCEL', `UDP 127.0.0.1:${phone.port}`));
    expect(await phone.next()).toStartWith('SIP/2.0 481 ');
  }
});
