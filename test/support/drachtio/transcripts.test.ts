import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { RawApp, textOf } from './raw-app.ts';
import { type Deviation, Replay } from './replay.ts';

/** Without brackets, the tag in `To: sip:host;tag=1` looks like a parameter of the URI. */
const BRACKETS: Deviation = {
  why: 'To has angle brackets in a response that the server makes itself',
  recorded: /^To: (sip:[^;\r]+);tag/m,
  ours: 'To: <$1>;tag',
};
/** drachtio parses credentials and composes them again. */
const AS_WRITTEN: Deviation = {
  why: 'Authorization is sent as the app wrote it',
  recorded: /^(Authorization: Digest username="foo"), (realm=".*?"), (nonce=".*?"), (uri=".*?"), (response=".*?"), /m,
  ours: '$1,$2,$3,$4,$5,',
};

/** Played without changes; the others have their own tests below. */
const PLAYED: readonly (readonly [name: string, ...deviations: Deviation[]])[] = [
  ['01-connect-auth-route'],
  ['02-outbound-REGISTER-401-200', AS_WRITTEN],
  ['03-inbound-REGISTER-401-200-udp'],
  ['04-inbound-REGISTER-cached-200'],
  ['05-inbound-REGISTER-badpassword-403'],
  ['06-inbound-REGISTER-ipv4-realm-403'],
  ['07-inbound-REGISTER-deactivated-403'],
  ['08-inbound-UNREGISTER'],
  ['09-inbound-OPTIONS-external'],
  ['10-inbound-OPTIONS-fs-status'],
  ['11-inbound-REGISTER-tcp'],
  ['12-inbound-OPTIONS-tcp'],
  ['13-outbound-OPTIONS-answered-200'],
  ['14-outbound-OPTIONS-closed-port', BRACKETS],
  ['15-outbound-OPTIONS-blackhole-timeout', BRACKETS],
  ['16-inbound-REGISTER-ws'],
  ['18-srf-enablePing'],
  ['20-wrong-secret-raw'],
  ['21-ping'],
  ['22-route-errors'],
  ['23-unknown-message-type'],
  ['25-bad-frame-length'],
  ['26-response-unknown-transaction'],
  ['27-response-missing-transaction'],
  ['28-request-bad-uri'],
  ['29-request-transport-tls-not-configured'],
  ['30-request-tcp-closed-port', BRACKETS],
  ['31-request-invalid-header'],
  ['33-two-clients-same-route'],
  ['34-second-final-response'],
  ['38-split-frames'],
];

describe('the double behaves like a recorded drachtio-server', () => {
  test.each(PLAYED)('%s', async (name, ...deviations) => {
    await using replay = await Replay.open(name, deviations);
    await replay.play();
  });

  test('17-app-wrong-secret: answered and closed, each time', async () => {
    await using replay = await Replay.open('17-app-wrong-secret');
    // conn23 was opened before the transcript begins.
    await replay.play(replay.events.filter((e) => e.conn !== 'conn23'));
  });

  test('19-drachtio-restart-reconnect: authentication and routes after a restart', async () => {
    await using replay = await Replay.open('19-drachtio-restart-reconnect');
    const failed = new Set(replay.events.filter((e) => e.kind === 'connect failed').map((e) => e.conn));
    for (const event of replay.events.filter((e) => !failed.has(e.conn))) {
      if (event.kind === 'server closed') await replay.restart();
      await replay.play([event]);
    }
  });

  test('24-not-authenticated-route: unlike drachtio, not answered', async () => {
    await using replay = await Replay.open('24-not-authenticated-route');
    await replay.play(replay.events.slice(0, 2));
    const app = replay.apps.get('conn16');
    await app?.closed;
    expect(app?.frames.size).toBe(0);
  });

  test('32-inbound-OPTIONS-no-route: 503 from the server itself', async () => {
    await using replay = await Replay.open('32-inbound-OPTIONS-no-route');
    await replay.play();
    const file = new URL('../../fixtures/drachtio-wire/32-inbound-OPTIONS-no-route.sip.txt', import.meta.url);
    const recorded = readFileSync(file, 'utf8').replace(/\n*$/, '\n');
    const lines = recorded.split('\r\n').filter((line) => /^(From|Call-ID|CSeq): /.test(line));
    const via = /^Via: (.*);rport=5060\r$/m.exec(recorded)?.[1];
    const peer = await replay.inboundPeer('udp', '127.0.0.41', '5060');
    peer.send(
      replay.substitute(
        `OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: ${via}\r\nTo: <sip:x@127.0.0.1>\r\n${lines.join('\r\n')}\r\n\r\n`,
      ),
    );
    const answer = await peer.next();
    const withoutTag = (text: string) => text.replace(/^(To: .*;tag=)\w+/m, '$1');
    expect(withoutTag(answer)).toBe(withoutTag(replay.substitute(recorded)));
  });

  test('35-retransmission-while-pending: the app gets one request, each copy gets the response', async () => {
    await using replay = await Replay.open('35-retransmission-while-pending');
    const [request, ...rest] = replay.events;
    if (request?.kind !== 'to app') throw new Error('a request was expected');
    await replay.play([request]);
    const peer = replay.peers.get('127.0.0.41');
    const copy = replay.substitute(textOf(request.payload).replace(/;rport=\d+/, ''));
    peer?.send(copy);
    await replay.play(rest);
    peer?.send(copy);
    const again = await peer?.next();
    expect(again).toStartWith('SIP/2.0 200 OK\r\n');
    expect(replay.server.layer.counters.retransmissions).toBe(2);
    expect(replay.apps.get('conn20')?.frames.size).toBe(0);
    expect(peer?.inbox.size).toBe(0);
  });

  test('36-app-disconnect-pending: unlike drachtio, 503 at once', async () => {
    await using replay = await Replay.open('36-app-disconnect-pending');
    await replay.play();
    expect(await replay.peers.get('127.0.0.41')?.next()).toStartWith('SIP/2.0 503 Service Unavailable\r\n');
  });

  test('37-app-never-answers: after 32 s the transaction ends without a response', async () => {
    await using replay = await Replay.open('37-app-never-answers');
    await replay.play();
    const peer = replay.peers.get('127.0.0.41');
    const last = replay.events.at(-1);
    if (last?.kind !== 'to app' || !peer) throw new Error('a request was expected');
    replay.timers.advance(32_000);
    const again = textOf(last.payload).replace(/;rport=\d+/, '');
    peer.send(replay.substitute(again));
    const frame = await replay.apps.get('conn22')?.next();
    expect(textOf(frame ?? '')).toBe(replay.substitute(textOf(last.payload)));
    expect(peer.inbox.size).toBe(0);
    expect(replay.server.layer.counters.retransmissions).toBe(0);
  });

  test('frames split at every byte, and several in one piece', async () => {
    await using replay = await Replay.open('38-split-frames');
    const app = await RawApp.ready(replay.server);
    const ping = () => {
      const payload = `${crypto.randomUUID()}|ping`;
      return `${payload.length}#${payload}`;
    };
    for (const byte of Buffer.from(ping())) app.socket.write(Uint8Array.of(byte));
    expect(await app.next()).toEndWith('|OK|pong');
    app.socket.write(ping() + ping() + ping());
    for (let i = 0; i < 3; i++) expect(await app.next()).toEndWith('|OK|pong');
    app[Symbol.dispose]();
  });
});
