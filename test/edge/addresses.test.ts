import { afterEach, describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { type AddressInfo, createServer, isIP, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Edge, EdgeOptions, FarEnd, Listener } from '../../src/edge/index.ts';
import { bracketed } from '../../src/sip/ip.ts';
import { authority, openStream, serverCertificate, serverTls } from './stream-peers.ts';
import { Inbox, portOf, RawApp, request, startTestEdge, TcpPeer, textOf, transactionOf, UdpPeer } from './support.ts';

let cleaner = new AsyncDisposableStack();
afterEach(async () => {
  await cleaner.disposeAsync();
  cleaner = new AsyncDisposableStack();
});

async function start(protos: Listener['proto'][], hosts: string[], options: Partial<EdgeOptions> = {}): Promise<Edge> {
  const listen = hosts.flatMap((host) => protos.map((proto) => ({ proto, host, port: 0 })));
  return cleaner.adopt(await startTestEdge({ listen, tls: serverTls(), ...options }), (edge) => edge.stop());
}

async function appOf(edge: Edge): Promise<RawApp> {
  return cleaner.use(await RawApp.ready(edge, 'options'));
}

/** A phone that asks one address by UDP and hears nobody else, as behind a NAT. */
async function openUdp(port: number, host: string, from = host.includes(':') ? '::1' : '127.0.0.1') {
  const inbox = new Inbox<string>();
  const socket = await Bun.udpSocket({
    hostname: from,
    connect: { hostname: host, port },
    socket: { data: (_socket, data) => inbox.put(data.toString()) },
  });
  cleaner.defer(() => socket.close());
  return { port: socket.port, send: (text: string) => socket.send(text), next: () => inbox.next('a datagram') };
}

/** Whom an app asks: what it was asked, which it has answered with 200. */
async function openGateway(edge: Edge, proto: 'udp' | 'tcp' | 'tls', host: string, edgePort?: number) {
  const accept = (text: string) => `SIP/2.0 200 OK\r\n${text.slice(text.indexOf('\r\n') + 2)}`;
  if (proto === 'udp') {
    const peer = cleaner.use(await UdpPeer.open(host));
    const asked = async () => {
      const text = await peer.next();
      peer.send(accept(text), edgePort ?? portOf(edge, 'udp', bracketed(host)));
      return text;
    };
    return { port: peer.port, asked };
  }
  const server = proto === 'tcp' ? createServer() : authority.server(serverCertificate());
  server.listen(0, host);
  cleaner.defer(() => void server.close());
  await once(server, 'listening');
  const connected = once(server, proto === 'tcp' ? 'connection' : 'secureConnection');
  const asked = async () => {
    const peer = cleaner.use(new TcpPeer((await connected)[0] as Socket));
    const text = await peer.next();
    peer.send(accept(text));
    return text;
  };
  return { port: (server.address() as AddressInfo).port, asked };
}

const ask = (app: RawApp, host: string, port: number, proto: string) =>
  app.ask(`sip|||sip:${bracketed(host)}:${port};transport=${proto}\r\nOPTIONS sip:${bracketed(host)} SIP/2.0\r\n\r\n`);

/** Answers what the app has been given, and returns what it was told of the source. */
async function answer(app: RawApp): Promise<string[]> {
  const frame = await app.next('a request');
  await app.ask(`sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
  return frame.split('|').slice(4, 7);
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
    const [udp = 0, tcp = 0] = listeners(edge.localHostports).map(({ port }) => port);
    return { edge, app: await appOf(edge), udp, tcp };
  }

  test('an address of the machine is announced, beyond loopback if it has one', async () => {
    const { edge } = await listenEverywhere();
    const family = wildcard === '::' ? 'IPv6' : 'IPv4';
    const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    const own = all.filter((a) => a.family === family && !a.address.startsWith('fe80:'));
    const outside = own.filter((a) => !a.internal);
    const addresses = (outside.length > 0 ? outside : own).map((a) => a.address);
    for (const hostports of [edge.hostports, edge.localHostports]) {
      expect(listeners(hostports).map(({ proto }) => proto)).toEqual(['udp', 'tcp']);
      for (const { host } of listeners(hostports)) expect(addresses).toContain(host);
    }
  });

  test.each(hosts)('a request to %s is answered from there, and the app is told that address', async (host) => {
    const ends = new Inbox<FarEnd>();
    const { app, udp, tcp } = await listenEverywhere({ connectionClosed: (connection) => ends.put(connection) });
    const byUdp = await openUdp(udp, host);
    byUdp.send(request('OPTIONS', `UDP a.invalid`));
    expect(await answer(app)).toEqual(['udp', host, String(byUdp.port)]);
    const text = await byUdp.next();
    expect(text).toStartWith('SIP/2.0 200 OK\r\n');
    expect(text).toContain(`;received=${host};rport=${byUdp.port}\r\n`);

    const byTcp = cleaner.use(await openStream('tcp', tcp, host));
    byTcp.send(request('OPTIONS', 'TCP a.invalid'));
    expect(await answer(app)).toEqual(['tcp', host, String(byTcp.port)]);
    expect(await byTcp.next()).toContain(`;received=${host};rport=${byTcp.port}\r\n`);
    // Its connection is found by that address, and its end is told of it.
    await ask(app, host, byTcp.port, 'tcp');
    expect(await byTcp.next()).toStartWith(`OPTIONS sip:${bracketed(host)} SIP/2.0\r\n`);
    const { port } = byTcp;
    byTcp.socket.destroy();
    expect(await ends.next('the end')).toEqual({ protocol: 'tcp', address: host, port });
  });

  test.each(hosts.flatMap((host) => [['udp', host] as const, ['tcp', host] as const]))(
    'what an app asks by %s reaches %s, and the answer the app',
    async (proto, host) => {
      const { edge, app, udp } = await listenEverywhere();
      const gateway = await openGateway(edge, proto, host, udp);
      await ask(app, host, gateway.port, proto);
      const request = await gateway.asked();
      expect(request).toStartWith(`OPTIONS sip:${bracketed(host)} SIP/2.0\r\n`);
      // It is told an address that it can answer to: one of its own family.
      const sentBy = /^Via: SIP\/2\.0\/\w+ (.+):\d+;/m.exec(request)?.[1] ?? '';
      expect(isIP(sentBy.replace(/^\[|\]$/g, ''))).toBe(isIP(host));
      const response = await app.next('the answer');
      expect(response.split('|').slice(4, 7)).toEqual([proto, host, String(gateway.port)]);
      expect(textOf(response)).toStartWith('SIP/2.0 200 OK\r\n');
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
        .flatMap((host) =>
          (['udp', 'tcp'] as const).map((p) => `${p}/${own(host)}:${portOf(edge, p, bracketed(host))}`),
        )
        .join();
    expect(edge.hostports).toBe(announced((host) => bracketed(isIP(host) === isIP(externalIp) ? externalIp : host)));
    expect(edge.localHostports).toBe(announced(bracketed));
  });

  test.each([
    ['udp', itsFamily, externalIp],
    ['tcp', itsFamily, externalIp],
    ['udp', otherFamily, otherFamily],
    ['tcp', otherFamily, otherFamily],
  ] as const)('in Via and From of what goes out by %s to %s: %s', async (proto, host, expected) => {
    const edge = await startBoth();
    const app = await appOf(edge);
    const gateway = await openGateway(edge, proto, host);
    await ask(app, host, gateway.port, proto);
    const text = await gateway.asked();
    const own = `${bracketed(expected)}:${portOf(edge, proto, bracketed(host))}`;
    expect(text).toContain(`\r\nVia: SIP/2.0/${proto.toUpperCase()} ${own};${proto === 'udp' ? 'rport;' : ''}branch=`);
    expect(text).toContain(`\r\nFrom: <sip:${own}${proto === 'udp' ? '' : `;transport=${proto}`}>;tag=`);
    // The Via may name an address that nobody here has: the answer comes all the same.
    expect(textOf(await app.next('the answer'))).toStartWith('SIP/2.0 200 OK\r\n');
  });
});

describe('IPv6', () => {
  test.each(['udp', 'tcp', 'tls'] as const)('what an app asks by %s arrives, and the answer too', async (proto) => {
    const edge = await start([proto], ['::1']);
    const app = await appOf(edge);
    const gateway = await openGateway(edge, proto, '::1');
    expect(await ask(app, '::1', gateway.port, proto)).toContain('|OK|application|');
    const text = await gateway.asked();
    const own = `[::1]:${portOf(edge, proto, '[::1]')}`;
    expect(text).toContain(`\r\nVia: SIP/2.0/${proto.toUpperCase()} ${own};`);
    expect(text).toContain(`\r\nFrom: <sip:${own}${proto === 'udp' ? '' : `;transport=${proto}`}>;tag=`);
    const response = await app.next('the answer');
    expect(response.split('|').slice(4, 7)).toEqual([proto, '::1', String(gateway.port)]);
    expect(textOf(response)).toStartWith('SIP/2.0 200 OK\r\n');
  });

  test.each(['ws', 'wss'] as const)('%s: both sides ask and answer over the one connection', async (proto) => {
    const edge = await start([proto], ['::1']);
    const app = await appOf(edge);
    const phone = cleaner.use(await openStream(proto, portOf(edge, proto, '[::1]'), '::1'));
    const via = proto.toUpperCase();
    const told = [proto === 'ws' ? 'tcp' : 'tls', '::1', String(phone.port)];
    phone.send(request('OPTIONS', `${via} a.invalid`));
    expect(await answer(app)).toEqual(told);
    const text = await phone.next();
    expect(text).toStartWith('SIP/2.0 200 OK\r\n');
    expect(text).toContain(`;received=::1;rport=${phone.port}\r\n`);

    await ask(app, '::1', phone.port, 'ws');
    const asked = await phone.next();
    expect(asked).toContain(`\r\nVia: SIP/2.0/${via} [::1]:${portOf(edge, proto, '[::1]')};branch=`);
    phone.send(`SIP/2.0 200 OK\r\n${asked.slice(asked.indexOf('\r\n') + 2)}`);
    const response = await app.next('the answer');
    expect(response.split('|').slice(4, 7)).toEqual(told);
    expect(textOf(response)).toStartWith('SIP/2.0 200 OK\r\n');
  });
});

test('of several addresses by UDP, the answer leaves from the one that was asked', async () => {
  const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
  const edge = await start(['udp'], hosts);
  const app = await appOf(edge);
  // In another order than they were opened in, and all from one address.
  for (const host of ['127.0.0.2', '127.0.0.3', '127.0.0.1', '127.0.0.2']) {
    const phone = await openUdp(portOf(edge, 'udp', host), host);
    const text = request('OPTIONS', `UDP 127.0.0.1:${phone.port}`);
    phone.send(text);
    const frame = await app.next('a request');
    expect(frame.split('|').slice(10, 12)).toEqual([host, String(portOf(edge, 'udp', host))]);
    await app.ask(`sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
    const sent = await phone.next();
    expect(sent).toStartWith('SIP/2.0 200 OK\r\n');
    // So does the copy for a retransmission, and what the edge says of itself.
    phone.send(text);
    expect(await phone.next()).toBe(sent);
    phone.send(request('CANCEL', `UDP 127.0.0.1:${phone.port}`));
    expect(await phone.next()).toStartWith('SIP/2.0 481 ');
  }
});
