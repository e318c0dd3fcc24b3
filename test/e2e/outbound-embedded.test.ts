import { expect, test } from 'bun:test';
import { CARRIER_PASSWORD } from '../support/carriers.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { Registrar } from '../support/sip-registrar.ts';
import { noTrunk, pinged, QUICK, trunk, trunksOf } from './outbound.ts';
import { fileWith, startEmbedded } from './sidecar.ts';

// An hour, so that only a reload applies changes.
const ENV = { ...QUICK, JAMBONES_REGBOT_REFRESH_SECONDS: '3600', SEND_OPTIONS_PING_INTERVAL: '1' };

function carrierFile({ host, port }: { host: string; port: number }, username = 'line'): string {
  return `
[[account]]
realm = "office.test"

[[carrier]]
name = "Example"
account = "office.test"
register = { username = "${username}", password = "${CARRIER_PASSWORD}", realm = "registrar.test" }
[[carrier.gateway]]
host = "${host}"
port = ${port}
options_ping = true
`;
}

test.concurrent('a provisioned carrier registers again after kill -9, with the same Call-ID and a higher CSeq', async () => {
  const registrar = new Registrar({ password: () => CARRIER_PASSWORD });
  const peer = await SipPeer.start(registrar.script);
  const args = ['--data', temporaryDirectory('data'), '--provision', await fileWith('p.toml', carrierFile(peer))];
  const first = await startEmbedded({ args, env: ENV });
  const before = await peer.next((r) => r.header('Authorization') !== undefined);
  const gateway = before.header('Call-ID') ?? '';
  const { cseq } = await trunk(first, gateway, 'registered');
  expect(before.uri).toBe('sip:registrar.test');
  expect(registrar.registered.get('line')?.contact).toStartWith('<sip:line@office.test;transport=udp>');
  await pinged(first, gateway, 'up');
  first.process.kill('SIGKILL');
  await first.process.exited;

  const second = await startEmbedded({ args, env: ENV });
  const again = await trunk(second, gateway, 'registered', 8000);
  expect(again.cseq).toBeGreaterThan(cseq);
  expect(await second.stop()).toBe(0);
  // A stop does not un-register.
  expect(registrar.registered.size).toBe(1);
});

test.concurrent('SIGHUP applies a changed file at once', async () => {
  const registrar = new Registrar({ password: () => CARRIER_PASSWORD });
  const peer = await SipPeer.start(registrar.script);
  const path = await fileWith('p.toml', carrierFile(peer));
  const sidecar = await startEmbedded({ args: ['--provision', path], env: ENV });
  const gateway = (await peer.next((r) => r.method === 'REGISTER')).header('Call-ID') ?? '';
  await trunk(sidecar, gateway, 'registered');

  await Bun.write(path, carrierFile(peer, 'other'));
  sidecar.process.kill('SIGHUP');
  await trunk(sidecar, gateway, ({ username, state }) => username === 'other' && state === 'registered');
  expect([...registrar.registered.keys()]).toContain('other');

  // A bad file changes nothing.
  await Bun.write(path, 'nonsense');
  sidecar.process.kill('SIGHUP');
  await sidecar.process.line(/not reloaded, the old state stays/, 30_000);
  expect((await trunksOf(sidecar)).map(({ state }) => state)).toEqual(['registered']);

  await Bun.write(path, '[[account]]\nrealm = "office.test"\n');
  sidecar.process.kill('SIGHUP');
  await noTrunk(sidecar, gateway);
  expect([...registrar.registered.keys()]).not.toContain('other');
  expect(await sidecar.stop()).toBe(0);
});

test.concurrent('names in the hosts file are resolved', async () => {
  const peer = await SipPeer.start();
  const args = ['--provision', await fileWith('p.toml', carrierFile({ host: 'localhost', port: peer.port }))];
  const sidecar = await startEmbedded({ args, env: ENV });
  const gateway = (await peer.next((r) => r.method === 'REGISTER')).header('Call-ID') ?? '';
  await trunk(sidecar, gateway, 'registered');
  expect(await sidecar.stop()).toBe(0);
});
