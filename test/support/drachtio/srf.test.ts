import { afterEach, expect, test } from 'bun:test';
import Srf from 'drachtio-srf';
import { portOf } from '../../edge/support.ts';
import { Inbox } from '../inbox.ts';
import { request, responseTo } from '../sip-request.ts';
import { UdpPeer } from '../wire.ts';
import type { DrachtioDouble } from './index.ts';
import { SECRET, startTestDrachtio } from './raw-app.ts';

/** The parts of drachtio-srf that these tests use; its own types are mostly `any`. */
interface App {
  on(event: 'connect', listener: (error: Error | null, hostports: string, version: string) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  connect(options: object): void;
  options(handler: (req: { source_address: string; source_port: number }, res: Res) => void): void;
  register(handler: (req: object, res: Res) => void): void;
  request(uri: string, options: object, callback: (error: Error | null, request: Req) => void): void;
  disconnect(): void;
}
interface Res {
  send(status: number, options?: object): void;
}
interface Req {
  on(event: 'response', listener: (response: { status: number }) => void): void;
}

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const task of cleanUp.splice(0).reverse()) await task();
});

async function start(controlPort = 0): Promise<DrachtioDouble> {
  const listen = [
    { proto: 'udp', host: '127.0.0.1', port: 0 },
    { proto: 'udp', host: '::1', port: 0 },
    { proto: 'tcp', host: '127.0.0.1', port: 0 },
  ] as const;
  const server = await startTestDrachtio({ listen, controlPort });
  cleanUp.unshift(() => server.stop()); // last, because drachtio-srf cannot stop while it reconnects
  return server;
}

function connect(server: DrachtioDouble) {
  const srf = new Srf() as unknown as App;
  const connected = new Inbox<string>();
  srf.on('error', () => {});
  srf.on('connect', (error, hostports, version) => connected.put(error ? 'refused' : `${hostports} ${version}`));
  srf.connect({ host: '127.0.0.1', port: server.controlPort, secret: SECRET });
  cleanUp.push(() => srf.disconnect());
  return { srf, connected };
}

async function peer(server: DrachtioDouble, host = '127.0.0.1', inUri = host): Promise<UdpPeer> {
  const opened = await UdpPeer.open(portOf(server.layer, 'udp', inUri), host);
  cleanUp.push(() => opened[Symbol.dispose]());
  return opened;
}

test('connects, and answers requests from the network', async () => {
  const server = await start();
  const { srf, connected } = connect(server);
  srf.options((_req, res) => res.send(200, { headers: { 'X-Members': '2' } }));
  srf.register((_req, res) =>
    res.send(401, { headers: { 'WWW-Authenticate': 'Digest realm="a"\r\nWWW-Authenticate: Digest realm="b"' } }),
  );
  const [hostports, version] = (await connected.next('connect')).split(' ');
  expect(hostports).toBe(server.layer.hostports);
  expect(version).toMatch(/^v(\d+)\.(\d+)\.(\d+)/);

  const phone = await peer(server);
  phone.send(request('OPTIONS', `UDP 127.0.0.1:${phone.port}`));
  expect(await phone.next()).toMatch(/^SIP\/2\.0 200 OK\r\n(.*\r\n)*X-Members: 2\r\n/);
  phone.send(request('REGISTER', `UDP 127.0.0.1:${phone.port}`));
  const challenge = await phone.next();
  expect(challenge).toStartWith('SIP/2.0 401 Unauthorized\r\n');
  expect(challenge.match(/^WWW-Authenticate: Digest realm="[ab]"\r$/gm)).toHaveLength(2);
});

test('reports the source of a request, also for IPv6', async () => {
  const server = await start();
  const { srf, connected } = connect(server);
  const sources = new Inbox<string>();
  srf.options((req, res) => {
    sources.put(`${req.source_address} ${req.source_port}`);
    res.send(200);
  });
  await connected.next('connect');
  const phone = await peer(server, '::1', '[::1]');
  phone.send(request('OPTIONS', `UDP [::1]:${phone.port}`));
  expect(await sources.next()).toBe(`::1 ${phone.port}`);
  expect(await phone.next()).toStartWith('SIP/2.0 200 OK\r\n');
});

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::1', '[::1]'],
])('sends requests and reports the response: %s', async (host, inUri) => {
  const server = await start();
  const { srf, connected } = connect(server);
  await connected.next('connect');
  const gateway = await peer(server, host, inUri);
  const status = Promise.withResolvers<number>();
  srf.request(`sip:${inUri}:${gateway.port}`, { method: 'OPTIONS' }, (error, req) => {
    if (error) status.reject(error);
    else req.on('response', (response) => status.resolve(response.status));
  });
  const received = await gateway.next();
  gateway.send(responseTo(received));
  expect(await status.promise).toBe(200);
});

test('a closed port is a 503 within moments, not a timeout', async () => {
  const server = await start();
  const { srf, connected } = connect(server);
  await connected.next('connect');
  const gone = await UdpPeer.open();
  const { port } = gone;
  gone[Symbol.dispose]();
  for (const transport of ['udp', 'tcp']) {
    const status = Promise.withResolvers<number>();
    srf.request(`sip:127.0.0.1:${port};transport=${transport}`, { method: 'OPTIONS' }, (error, req) => {
      if (error) status.reject(error);
      else req.on('response', (response) => status.resolve(response.status));
    });
    expect(await status.promise).toBe(503);
  }
});

test('an app reconnects after a restart of the server', async () => {
  const server = await start();
  const { srf, connected } = connect(server);
  srf.options((_req, res) => res.send(200));
  await connected.next('connect');
  await server.stop();
  const again = await start(server.controlPort);
  expect(await connected.next('reconnect')).toStartWith(again.layer.hostports);
});
