import { expect, test } from 'bun:test';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { digestResponse } from '../../src/digest/algorithm.ts';
import { authority, serverCertificate } from '../support/certificates.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { spawnProcess } from '../support/process.ts';
import { openStream } from '../support/wire.ts';

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
  const user = { username: 'alice', realm: 'serve.example.test', password: 'wonderland' };
  const accounts = `[[account]]\nrealm = "${user.realm}"\n[[account.client]]\nusername = "alice"\npassword = "wonderland"\n`;
  const { certFile, keyFile } = serverCertificate();
  const provision = authority.own.file(`${proto}.toml`, accounts);
  const tls = ['--tls-cert', certFile, '--tls-key', keyFile];
  const sidecar = serve('--sip', `udp/127.0.0.1:0,${proto}/127.0.0.1:0`, '--provision', provision, ...tls);
  const [, port] = await sidecar.line(new RegExp(` ${proto}/127\\.0\\.0\\.1:(\\d+)`), START_MS);
  using phone = await openStream(proto, Number(port));
  let cseq = 0;
  const register = async (authorization = '') => {
    const id = crypto.randomUUID();
    const contact = `<sip:alice@df7jal23ls0d.invalid;transport=${proto === 'wss' ? 'ws' : proto}>`;
    phone.send(
      `REGISTER sip:${user.realm} SIP/2.0\r\nVia: SIP/2.0/${proto.toUpperCase()} df7jal23ls0d.invalid;branch=z9hG4bK${id}\r\n` +
        `Max-Forwards: 70\r\nFrom: <sip:alice@${user.realm}>;tag=1\r\nTo: <sip:alice@${user.realm}>\r\nCall-ID: ${proto}\r\n` +
        `CSeq: ${++cseq} REGISTER\r\nContact: ${contact}\r\nExpires: 600\r\n${authorization}Content-Length: 0\r\n\r\n`,
    );
    return phone.next('a response of the sidecar');
  };
  const challenge = await register();
  expect(challenge).toStartWith('SIP/2.0 401 ');
  const nonce = /nonce="([^"]+)"/.exec(challenge)?.[1] ?? '';
  const qop = { nc: '00000001', count: 1, cnonce: 'test' };
  const uri = `sip:${user.realm}`;
  const digest = digestResponse('MD5', { ...user, nonce, uri, response: '', qop }, user.password, 'REGISTER');
  const response = await register(
    `Authorization: Digest username="alice", realm="${user.realm}", nonce="${nonce}", uri="${uri}", ` +
      `response="${digest}", algorithm=MD5, qop=auth, nc=00000001, cnonce="test"\r\n`,
  );
  expect(response).toStartWith('SIP/2.0 200 OK\r\n');
  expect(response).toMatch(/^Contact: <sip:alice@df7jal23ls0d\.invalid;transport=\w+>;expires=\d+/m);
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
