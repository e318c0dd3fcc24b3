import { describe, expect, test } from 'bun:test';
import { DrachtioServer } from '../../src/adapters/drachtio/server.ts';
import { Edge } from '../../src/edge/index.ts';
import type { SipServer } from '../../src/ports/sip-server.ts';
import { register } from '../../src/register/index.ts';
import { onCleanup } from '../support/cleanup.ts';
import { openCore } from '../support/core.ts';
import { SECRET, startTestDrachtio } from '../support/drachtio/raw-app.ts';
import { request } from '../support/sip-request.ts';
import { TORTURE } from '../support/torture.ts';
import { UdpPeer } from '../support/wire.ts';
import { silent } from './support.ts';

async function openEdge(): Promise<SipServer> {
  return new Edge({ listen: [{ proto: 'udp', host: '127.0.0.1', port: 0 }], logger: silent });
}

async function openDrachtio(): Promise<SipServer> {
  const drachtio = await startTestDrachtio();
  onCleanup(() => drachtio.stop());
  const port = drachtio.controlPort;
  return new DrachtioServer({ host: '127.0.0.1', port, secret: SECRET, networks: [], logger: silent });
}

async function start(open: () => Promise<SipServer>) {
  const core = openCore(
    {},
    '[[account]]\nrealm = "example.com"\n[[account.client]]\nusername = "user"\npassword = "x"\n',
  );
  const server = await open();
  server.handle('OPTIONS', async () => ({ status: 200 }));
  server.handle('REGISTER', (received) => register(core.rules, received));
  await server.connect();
  onCleanup(() => server.stop(0));
  const port = Number(/udp\/127\.0\.0\.1:(\d+)/.exec(server.hostports)?.[1]);
  const phone = await UdpPeer.open();
  onCleanup(() => phone[Symbol.dispose]());
  const respond = async (bytes: Uint8Array | string) => {
    phone.send(bytes, port);
    return phone.next();
  };
  return { phone, send: (bytes: Uint8Array) => phone.send(bytes, port), respond };
}

describe.each([
  ['the edge', openEdge],
  ['a drachtio server', openDrachtio],
])('RFC 4475 over %s', (_server, open) => {
  test.each(TORTURE.map((one) => [one.section, one] as const))('%s', async (_section, { bytes, answer }) => {
    const { phone, send, respond } = await start(open);
    if (answer !== undefined) expect(await respond(bytes)).toStartWith(`SIP/2.0 ${answer}`);
    else send(bytes);
    // It is the only answer, and the next request is answered.
    expect(await respond(request('CANCEL', 'UDP a.invalid'))).toStartWith('SIP/2.0 481 ');
    expect(phone.inbox.size).toBe(0);
  });

  test('all 49 are there', () => expect(TORTURE).toHaveLength(49));
});
