import { expect, test } from 'bun:test';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { authority, serverCertificate } from '../support/certificates.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { headerOf, Phone } from '../support/phone.ts';
import { spawnProcess } from '../support/process.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
const START_MS = 15_000;

function serve(...args: string[]) {
  const cwd = temporaryDirectory('serve');
  const env = { SBC_SOCKET_PATH: join(cwd, 'admin.sock'), TMPDIR: tmpdir() };
  const child = spawnProcess(process.execPath, [MAIN, 'serve', '--embedded', ...args], { env, cwd });
  onCleanup(() => child.kill('SIGKILL'));
  return child;
}

test('the sidecar listens by TLS and WSS, and SIGHUP renews the certificate', async () => {
  const certFile = authority.own.file('serve.pem', '');
  const keyFile = authority.own.file('serve.key', '');
  const use = (name: string) => {
    const made = authority.own.certificate([name], ['127.0.0.1']);
    cpSync(made.certFile, certFile);
    cpSync(made.keyFile, keyFile);
  };
  use('old.edge.test');
  const sip = 'tls/127.0.0.1:0,wss/127.0.0.1:0,ws/127.0.0.1:0';
  const sidecar = serve('--sip', sip, '--tls-cert', certFile, '--tls-key', keyFile);
  const [, tls, wss] = await sidecar.line(/tls\/127\.0\.0\.1:(\d+) +wss\/127\.0\.0\.1:(\d+) +ws\/127/, START_MS);
  const names = async (port = tls) => {
    const socket: TLSSocket = tlsConnect({ host: '127.0.0.1', port: Number(port), ca: authority.ca });
    await once(socket, 'secureConnect');
    const { subjectaltname } = socket.getPeerCertificate();
    socket.destroy();
    return subjectaltname;
  };
  expect(await names()).toContain('old.edge.test');

  const hangUp = async (line: RegExp) => {
    const from = sidecar.lines.length;
    sidecar.kill('SIGHUP');
    await sidecar.line(line, START_MS, from);
  };
  use('new.edge.test');
  await hangUp(/certificate renewed/);
  expect(await names()).toContain('new.edge.test');
  expect(await names(wss)).toContain('new.edge.test');
  authority.own.file('serve.pem', 'no certificate');
  await hangUp(/not reloaded, the old state stays/);
  expect(await names()).toContain('new.edge.test');
  sidecar.kill('SIGTERM');
  expect((await within(sidecar.exited, START_MS, 'end of the sidecar')).code).toBe(0);
});

test.each(['tcp', 'tls', 'ws', 'wss'] as const)('a phone registers over %s', async (proto) => {
  const user = { user: 'alice', realm: 'serve.example.test', password: 'wonderland' };
  const accounts = `[[account]]\nrealm = "${user.realm}"\n[[account.client]]\nusername = "alice"\npassword = "wonderland"\n`;
  const { certFile, keyFile } = serverCertificate();
  const provision = authority.own.file(`${proto}.toml`, accounts);
  const tls = ['--tls-cert', certFile, '--tls-key', keyFile];
  const sidecar = serve('--sip', `udp/127.0.0.1:0,${proto}/127.0.0.1:0`, '--provision', provision, ...tls);
  const [, port] = await sidecar.line(new RegExp(` ${proto}/127\\.0\\.0\\.1:(\\d+)`), START_MS);
  using phone = await Phone.open({ host: '127.0.0.1', port: Number(port) }, user, proto);
  const challenge = await phone.send();
  expect(challenge.status).toBe(401);
  const granted = await phone.send({ authorization: phone.answer(challenge) });
  expect(granted).toMatchObject({ status: 200, reason: 'OK' });
  const [contact, expires] = headerOf(granted, 'Contact')?.split(';expires=') ?? [];
  expect(contact).toBe(`<${phone.contact}>`);
  expect(Number(expires)).toBeGreaterThan(0);
  sidecar.kill('SIGTERM');
  expect((await within(sidecar.exited, START_MS, 'end of the sidecar')).code).toBe(0);
});

test('a key that does not fit its certificate ends the sidecar with an error in one line and exit code 2', async () => {
  const { certFile } = authority.own.certificate(['a.test']);
  const { keyFile } = authority.own.certificate(['b.test']);
  const sidecar = serve('--sip', 'tls/127.0.0.1:0', '--tls-cert', certFile, '--tls-key', keyFile);
  expect((await within(sidecar.exited, START_MS, 'end of the sidecar')).code).toBe(2);
  expect(sidecar.stderr.join()).toContain(`${certFile} and ${keyFile} do not go together`);
});
