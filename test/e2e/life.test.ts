import { describe, expect, test } from 'bun:test';
import { sidecarBinary } from '../support/binary.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { openDatabase } from '../support/mariadb.ts';
import { freePort } from '../support/net.ts';
import { headerOf, Phone, registerOnce } from '../support/phone.ts';
import { spawnProcess } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';
import { request } from '../support/sip-request.ts';
import { UdpPeer } from '../support/wire.ts';
import { fileWith, outsideStores, startEmbedded } from './sidecar.ts';

const ACCOUNT = `
[[account]]
realm = "life.example.com"
[[account.client]]
username = "alice"
password = "wonderland"
`;
const ALICE = { user: 'alice', password: 'wonderland', realm: 'life.example.com' };

/** Relative: each process has its own working directory. */
const OWN_SOCKET = { SBC_SOCKET_PATH: 'admin.sock' };

async function run(args: string[], env: Record<string, string> = {}) {
  const process = spawnProcess(await sidecarBinary(), args, {
    env: { ...OWN_SOCKET, ...env },
    cwd: temporaryDirectory('run'),
  });
  const { code } = await within(process.exited, 30_000, 'end of the command');
  return { code, stdout: process.stdout.join('\n'), stderr: process.stderr.join('\n') };
}

describe('the command line', () => {
  test('--version and --help answer at every level', async () => {
    expect(await run(['--version'])).toEqual({ code: 0, stdout: '1.0.0', stderr: '' });
    expect(await run(['serve', '--version'])).toEqual({ code: 0, stdout: '1.0.0', stderr: '' });
    expect((await run(['--help'])).stdout).toContain('serve');
    const help = await run(['serve', '--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('--embedded');
    expect(help.stdout).not.toContain('\x1b');
  });

  test.each([[['--bogus']], [['bogus']], [[]], [['serve', '--bogus']], [['serve', 'extra']], [['serve', '--sip']]])(
    '%p is an error with the usage on stderr',
    async (args) => {
      const { code, stdout, stderr } = await run(args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain('USAGE');
    },
  );

  test('serve without its variables names them all', async () => {
    const { code, stderr } = await run(['serve']);
    expect(code).toBe(2);
    for (const name of ['DRACHTIO_HOST', 'JAMBONES_REDIS_HOST', 'JAMBONES_MYSQL_HOST', 'ENCRYPTION_SECRET'])
      expect(stderr).toContain(`${name} `);
    expect(stderr.split('\n')).toHaveLength(11);
    expect(stderr).toEndWith('serve --embedded needs none of them: it brings its own SIP server and database');
  });

  test('a bad provisioning file and a port in use are reported in one line', async () => {
    const bad = await fileWith('bad.toml', 'x = 1');
    const wrong = await run(['serve', '--embedded', '--provision', bad]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toBe(`${bad}:1: x is not known here`);
    const { sip } = await startEmbedded({});
    const taken = await run(['serve', '--embedded', '--sip', `udp/${sip.host}:${sip.port}`]);
    expect(taken.code).toBe(1);
    expect(taken.stderr).toContain(`${sip.host}:${sip.port}`);
    expect(taken.stderr).not.toContain('    at ');
    // Open connections to the stores do not keep it alive.
    const outside = outsideStores(await startRedis(), await openDatabase());
    expect((await run(['serve', '--embedded', '--sip', `udp/${sip.host}:${sip.port}`], outside)).code).toBe(1);
  });
});

describe('the embedded sidecar', () => {
  test('prints a banner whose account and addresses work', async () => {
    const { process, sip, stop } = await startEmbedded({});
    const [, realm = '', password = ''] = await process.line(/sip:demo@(\S+) {2}password (\S+)/, 30_000);
    expect(process.stdout.join('\n')).toContain(`udp/${sip.host}:${sip.port}  tcp/${sip.host}:${sip.port}`);
    expect((await registerOnce(sip, { user: 'demo', password, realm })).status).toBe(200);
    expect(await stop()).toBe(0);
  });

  test('keeps a binding through kill -9 right after the 200', async () => {
    const args = ['--data', temporaryDirectory('data'), '--provision', await fileWith('p.toml', ACCOUNT)];
    const first = await startEmbedded({ args });
    const phone = await Phone.open(first.sip, ALICE);
    const granted = await phone.register();
    first.process.kill('SIGKILL');
    expect(granted.status).toBe(200);
    await first.process.exited;

    const second = await startEmbedded({ args });
    const listed = await registerOnce(second.sip, ALICE, { contact: null });
    expect(headerOf(listed, 'Contact')).toContain(phone.contact);
    phone.close();
  });

  test('keeps every binding that was answered 200 through kill -9 under load', async () => {
    const users = Array.from({ length: 300 }, (_, n) => ({ ...ALICE, user: `phone${n}` }));
    const clients = users.map(
      ({ user, password }) => `[[account.client]]\nusername = "${user}"\npassword = "${password}"\n`,
    );
    const provision = await fileWith('many.toml', ACCOUNT + clients.join(''));
    const args = ['--data', temporaryDirectory('data'), '--provision', provision];
    const first = await startEmbedded({ args });
    const phones = await Promise.all(users.map((user) => Phone.open(first.sip, user)));
    const answered: Phone[] = [];
    const registrations = phones.map(async (phone) => {
      // After the kill there is no answer: closing the phone ends the wait.
      const { status } = await phone.register().catch(() => ({ status: 0 }));
      if (status !== 200) return;
      answered.push(phone);
      if (answered.length === 100) first.process.kill('SIGKILL');
    });
    await first.process.exited;
    for (const phone of phones) phone.close();
    await Promise.all(registrations);
    expect(answered.length).toBeGreaterThanOrEqual(100);

    const second = await startEmbedded({ args });
    for (const { user, contact } of answered) {
      const listed = await registerOnce(second.sip, { ...ALICE, user }, { contact: null });
      expect(headerOf(listed, 'Contact')).toContain(contact);
    }
  });

  test('applies a changed provisioning file on SIGHUP, and keeps the old one when it is bad', async () => {
    const path = await fileWith('p.toml', ACCOUNT);
    const { process, sip } = await startEmbedded({ args: ['--provision', path] });
    expect((await registerOnce(sip, ALICE)).status).toBe(200);

    await Bun.write(path, 'nonsense');
    process.kill('SIGHUP');
    await process.line(/not reloaded, the old state stays/, 30_000);
    expect((await registerOnce(sip, ALICE)).status).toBe(200);

    await Bun.write(path, ACCOUNT.replace('wonderland', 'through the looking-glass'));
    process.kill('SIGHUP');
    await process.line(/provisioning applied again/, 30_000);
    expect((await registerOnce(sip, ALICE)).status).toBe(403);
    expect((await registerOnce(sip, { ...ALICE, password: 'through the looking-glass' })).status).toBe(200);
  });

  test('never answers 503 around a restart: it hears nothing until it can serve', async () => {
    const provision = await fileWith('accounts.toml', ACCOUNT);
    const env = { SIDECAR_DATA: temporaryDirectory('restart'), SIDECAR_PROVISION: provision };
    const port = await freePort();
    using phone = await UdpPeer.open();
    const ask = () => phone.send(request('OPTIONS', `UDP 127.0.0.1:${phone.port}`), port);
    const asking = setInterval(ask, 1);
    try {
      for (let restart = 0; restart < 5; restart++) {
        const sidecar = spawnProcess(await sidecarBinary(), ['serve', '--embedded', '--sip', `udp/127.0.0.1:${port}`], {
          env: { ...OWN_SOCKET, ...env },
          cwd: temporaryDirectory('restart'),
        });
        expect(await phone.next('the first answer')).toStartWith('SIP/2.0 200 ');
        await sidecar.line(/is ready, embedded/, 15_000);
        sidecar.kill('SIGTERM');
        expect((await within(sidecar.exited, 10_000, 'the end of the sidecar')).code).toBe(0);
        while (phone.inbox.size > 0) expect(await phone.next()).toStartWith('SIP/2.0 200 ');
      }
    } finally {
      clearInterval(asking);
    }
  }, 60_000);
});
