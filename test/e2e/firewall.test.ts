import { expect, test } from 'bun:test';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { sidecarBinary } from '../support/binary.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { spawnProcess } from '../support/process.ts';
import { request } from '../support/sip-request.ts';
import { UdpPeer } from '../support/wire.ts';
import { cli, type RunningSidecar, startEmbedded } from './sidecar.ts';

const SCRIPT = join(import.meta.dir, '../../examples/firewall/copy-bans');
const FLUSH = ['flush set inet sip banned4', 'flush set inet sip banned6'];

/** Runs examples/firewall/copy-bans. @returns its exit code, and what it has given to nft */
async function copyBans(sidecar: string, socketPath = '') {
  const bin = temporaryDirectory('firewall');
  const given = join(bin, 'given');
  for (const [name, script] of [
    ['nft', `cat > ${given}`],
    ['sbc-sip-sidecar', sidecar],
  ] as const) {
    await Bun.write(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const env = { PATH: `${bin}:${process.env.PATH}`, SBC_SOCKET_PATH: socketPath };
  const { code } = await spawnProcess('sh', [SCRIPT], { env }).exited;
  const file = Bun.file(given);
  return { code, given: (await file.exists()) ? (await file.text()).trim().split('\n') : undefined };
}

async function scanFrom({ sip }: RunningSidecar, address: string): Promise<void> {
  using scanner = await UdpPeer.open(sip.port, sip.host, address);
  scanner.send(request('OPTIONS', `UDP ${address}:${scanner.port}`, { extra: 'User-Agent: friendly-scanner\r\n' }));
}

test('the bans of a sidecar get into the sets of the firewall, and leave them', async () => {
  const sidecar = await startEmbedded({ env: { JAMBONES_NETWORK_CIDR: '10.0.0.0/8' } });
  const copy = async () => copyBans(`exec ${await sidecarBinary()} "$@"`, sidecar.socketPath);
  expect(await copy()).toEqual({ code: 0, given: FLUSH });
  for (const address of ['127.0.0.66', '127.0.0.67']) await scanFrom(sidecar, address);
  await eventually('two bans', async () => (await cli(sidecar, 'ban', 'list')).stdout.includes('.67 ') || undefined);
  const { given = [] } = await copy();
  expect(given.slice(0, 2)).toEqual(FLUSH);
  expect(given.slice(2).sort()).toEqual(['66', '67'].map((last) => `add element inet sip banned4 { 127.0.0.${last} }`));
  await cli(sidecar, 'ban', 'clear');
  expect(await copy()).toEqual({ code: 0, given: FLUSH });
  await sidecar.stop();
  // Without a sidecar the sets stay as they are.
  expect(await copy()).toEqual({ code: 4, given: undefined });
});

test('the ban of an IPv6 network gets into the set for IPv6', async () => {
  const bans = JSON.stringify({ success: true, bans: [{ source: '2001:db8:1:66::/64', until: 1 }], now: 0 });
  expect(await copyBans(`echo '${bans}'`)).toEqual({
    code: 0,
    given: [...FLUSH, 'add element inet sip banned6 { 2001:db8:1:66::/64 }'],
  });
});
