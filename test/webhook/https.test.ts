import { describe, expect, test } from 'bun:test';
import { createServer, type Socket } from 'node:net';
import type { CallResult } from '../../src/webhook/call.ts';
import { authority, type TestCertificate } from '../support/certificates.ts';
import { answerOf, OK, rawServer } from './support.ts';

const CALLER = new URL('caller.ts', import.meta.url).pathname;
const OURS: CallResult = { kind: 'response', status: 200, body: OK };
const ok = (socket: Socket) => void socket.write(answerOf('200 OK'));

const trust = { NODE_EXTRA_CA_CERTS: authority.own.caFile };

/** Calls each URL in turn, as a process that trusts the CA of the tests too. */
async function callAll(urls: readonly string[], env: Readonly<Record<string, string>> = trust): Promise<CallResult[]> {
  const child = Bun.spawn([process.execPath, CALLER, ...urls], { env: { ...process.env, ...env }, stderr: 'inherit' });
  return JSON.parse(await new Response(child.stdout).text());
}

async function httpsServer(certificate: TestCertificate, react: Parameters<typeof rawServer>[0] = ok) {
  const server = await rawServer(react, (onConnection) =>
    authority.server(certificate).on('secureConnection', onConnection),
  );
  return { ...server, url: `https://127.0.0.1:${server.port}/auth` };
}

const certificate = authority.own.certificate(['hook.test'], ['127.0.0.1']);

describe('a webhook over HTTPS', () => {
  test('may have a certificate of a private CA that NODE_EXTRA_CA_CERTS names', async () => {
    const { url } = await httpsServer(certificate);
    expect(await callAll([url])).toEqual([OURS]);
  });

  test('may be named', async () => {
    const { port } = await httpsServer(authority.own.certificate(['localhost']));
    expect(await callAll([`https://localhost:${port}/auth`])).toEqual([OURS]);
  });

  test('must prove its name, not its address, when it is named', async () => {
    const { port, requests } = await httpsServer(authority.own.certificate(['other.test'], ['127.0.0.1']));
    const why = expect.stringMatching(/^certificate not accepted: .*altnames/);
    expect(await callAll([`https://localhost:${port}/auth`])).toEqual([{ kind: 'unreachable', why }]);
    expect(requests).toEqual([]);
  });

  const faults: [string, TestCertificate, Readonly<Record<string, string>>, RegExp][] = [
    ['an unknown CA', certificate, {}, /^certificate not accepted: unable to/],
    [
      'another CA than the one that is named',
      authority.stranger.certificate([], ['127.0.0.1']),
      trust,
      /^certificate not accepted: unable to/,
    ],
    ['another host', authority.own.certificate(['other.test']), trust, /^certificate not accepted: .*altnames/],
    [
      'the past',
      authority.own.certificate(['hook.test'], ['127.0.0.1'], { days: -1 }),
      trust,
      /^certificate not accepted: .*expired/,
    ],
  ];
  test.each(faults)('is not asked with a certificate of %s, and the reason names it', async (_, served, env, why) => {
    const { url, requests } = await httpsServer(served);
    expect(await callAll([url], env)).toEqual([{ kind: 'unreachable', why: expect.stringMatching(why) }]);
    expect(requests).toEqual([]);
  });

  test('that does not speak TLS is unreachable', async () => {
    const { port } = await rawServer(ok, () =>
      createServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
      }),
    );
    expect(await callAll([`https://127.0.0.1:${port}/`])).toMatchObject([{ kind: 'unreachable' }]);
  });

  test('is asked over one connection', async () => {
    const { url, requests } = await httpsServer(certificate);
    expect(await callAll([url, url, url])).toEqual([OURS, OURS, OURS]);
    expect(requests.map(({ connection }) => connection)).toEqual([1, 1, 1]);
  });

  test('that closes a kept connection as we send is asked once more on a new one', async () => {
    let count = 0;
    const { url, requests } = await httpsServer(certificate, (socket) =>
      ++count === 2 ? socket.destroy() : ok(socket),
    );
    expect(await callAll([url, url])).toEqual([OURS, OURS]);
    expect(requests.map(({ connection }) => connection)).toEqual([1, 1, 2]);
  });

  test('that closes a new connection, or in the middle of a response, is not asked again', async () => {
    let count = 0;
    const { url, requests } = await httpsServer(certificate, (socket) => {
      count++;
      if (count === 1) ok(socket);
      else if (count === 2) socket.end('HTTP/1.1 2');
      else socket.destroy();
    });
    const failed = { kind: 'unreachable' };
    expect(await callAll([url, url, url])).toMatchObject([OURS, failed, failed]);
    expect(requests.map(({ connection }) => connection)).toEqual([1, 1, 2]);
  });
});
