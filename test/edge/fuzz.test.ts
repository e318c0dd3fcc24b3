import { afterEach, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Edge } from '../../src/edge/index.ts';
import { MAX_MESSAGE_BYTES } from '../../src/edge/limits.ts';
import { parseMessage } from '../../src/sip/parse-message.ts';
import { sipMessage, spoiltMessage } from './fuzz-messages.ts';
import { openSocket, openStream, serverTls } from './stream-peers.ts';
import { portOf, RawApp, request, startTestEdge, textOf, transactionOf, UdpPeer } from './support.ts';
import { clientFrame } from './ws-peer.ts';

/**
 * Spoilt messages, whatever they are, neither end the edge nor anything in it; a sound request is answered afterwards.
 * EDGE_FUZZ_MESSAGES says how many for each transport, EDGE_FUZZ_SEED repeats a run: it is in what a failure says.
 */
const MESSAGES = Number(process.env.EDGE_FUZZ_MESSAGES ?? 600);
const SEED = Number(process.env.EDGE_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Few enough for the buffers of a UDP socket. */
const AT_A_TIME = 12;
const TIMEOUT_MS = 20_000 + MESSAGES * 20;
/** Longer than a datagram can be. */
const MAX_DATAGRAM = 65_507;

let cleaner = new AsyncDisposableStack();
afterEach(async () => {
  await cleaner.disposeAsync();
  cleaner = new AsyncDisposableStack();
});

/** An edge with an app that answers whatever it is given, and looks at it. */
async function start(): Promise<{ edge: Edge; seen: () => number }> {
  const listen = (['udp', 'tcp', 'tls', 'ws', 'wss'] as const).map((proto) => ({ proto, host: '127.0.0.1', port: 0 }));
  const edge = cleaner.adopt(await startTestEdge({ listen, tls: serverTls() }), (e) => e.stop());
  const app = cleaner.use(await RawApp.ready(edge, 'register', 'options'));
  let seen = 0;
  app.frames.put = (frame) => {
    if (!frame.includes('|sip|network|')) return;
    seen++;
    // What reaches an app is what the edge itself would take, and what it was told before it is.
    expectSound(Buffer.from(textOf(frame)), 'request');
    app.send(
      `${crypto.randomUUID()}|sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\nX-Length: ${frame.length}\r\n\r\n`,
    );
  };
  return { edge, seen: () => seen };
}

function expectSound(bytes: Buffer, kind: 'request' | 'response'): void {
  expect({ bytes: bytes.toString(), kind: parseMessage(bytes).kind }).toEqual({ bytes: bytes.toString(), kind });
}

/** A refusal repeats what was wrong with the headers of its request, but line by line: nothing else can get in. */
function expectAnswer(text: string): void {
  if (!/^SIP\/2\.0 (400|413|505) /.test(text)) expectSound(Buffer.from(text), 'response');
  const [, ...lines] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n');
  for (const line of lines)
    expect(line).toMatch(/^(Via|From|To|Call-ID|CSeq|Content-Length|Allow|Unsupported|X-Length): [^\r\n]*$/);
}

/** Batches of spoilt messages, of which each can be told from the seed and its number. */
function* batches(): Generator<{ messages: readonly Buffer[]; label: string }> {
  for (let i = 0; i * AT_A_TIME < MESSAGES; i++) {
    const seed = (SEED + i) % 2 ** 31;
    yield { messages: fc.sample(spoiltMessage, { numRuns: AT_A_TIME, seed }), label: `EDGE_FUZZ_SEED=${seed}` };
  }
}

const legitimate = (via: string, id: string) => request('OPTIONS', via, { callId: id });

/** Waits for the answer to the request of that Call-ID; whatever comes before it must be sound too. */
async function answerTo(id: string, peer: { next(what: string): Promise<string> }, label: string): Promise<void> {
  for (;;) {
    const text = await peer.next(`an answer after ${label}`);
    if (text === '\r\n') continue;
    expectAnswer(text);
    if (text.includes(`\r\nCall-ID: ${id}\r\n`)) {
      expect(text).toStartWith('SIP/2.0 200 OK\r\n');
      return;
    }
  }
}

test('most messages of the corpus are sound before they are spoilt', () => {
  const sound = fc.sample(sipMessage, { numRuns: 300, seed: 1 }).filter((text) => {
    try {
      return parseMessage(Buffer.from(text));
    } catch {
      return false; // a few are not, on purpose
    }
  });
  expect(sound.length).toBeGreaterThan(100);
});

test(
  'udp',
  async () => {
    const { edge, seen } = await start();
    const peer = cleaner.use(await UdpPeer.open());
    for (const { messages, label } of batches()) {
      for (const message of messages) peer.send(message.subarray(0, MAX_DATAGRAM), portOf(edge, 'udp'));
      const id = crypto.randomUUID();
      peer.send(legitimate(`UDP 127.0.0.1:${peer.port}`, id), portOf(edge, 'udp'));
      await answerTo(id, peer, label);
    }
    expect(seen()).toBeGreaterThan(MESSAGES / AT_A_TIME);
    expect(edge.counters.malformed).toBeGreaterThan(0);
  },
  TIMEOUT_MS,
);

describe.each(['tcp', 'tls', 'ws', 'wss'] as const)('%s', (proto) => {
  const via = `${proto.toUpperCase()} a.invalid`;

  test(
    'spoilt messages, each on the connection of the one before as long as that lasts',
    async () => {
      const { edge } = await start();
      let peer = await openStream(proto, portOf(edge, proto));
      for (const { messages, label } of batches()) {
        for (const message of messages) {
          if (peer.socket.writable) peer.socket.write(proto.startsWith('ws') ? clientFrame(2, message) : message);
        }
        peer[Symbol.dispose]();
        peer = await openStream(proto, portOf(edge, proto));
        const id = crypto.randomUUID();
        peer.send(legitimate(via, id));
        await answerTo(id, peer, label);
      }
      peer[Symbol.dispose]();
    },
    TIMEOUT_MS,
  );

  test(
    'sound messages cut anywhere, junk after them',
    async () => {
      const { edge } = await start();
      for (const { messages, label } of batches()) {
        using peer = await openStream(proto, portOf(edge, proto));
        const ids = messages.map(() => crypto.randomUUID());
        const stream = Buffer.concat(ids.map((id) => peer.encode(legitimate(via, id))));
        // The cuts come from the junk itself, so that the seed repeats them.
        let at = 0;
        for (const { length } of messages) {
          const end = Math.min(stream.length, at + (length % 400));
          peer.socket.write(stream.subarray(at, end));
          at = end;
        }
        peer.socket.write(stream.subarray(at));
        for (const id of ids) await answerTo(id, peer, label);
        peer.socket.write(messages[0] ?? '');
      }
    },
    TIMEOUT_MS,
  );
});

test(
  'junk instead of the handshake of TLS and the upgrade of WebSocket',
  async () => {
    const { edge } = await start();
    for (const { messages, label } of batches()) {
      for (const proto of ['tls', 'ws', 'wss'] as const) {
        const [junk = Buffer.alloc(0)] = messages;
        const raw = await openSocket(proto === 'wss' ? 'wss' : 'tcp', portOf(edge, proto));
        raw.on('error', () => {});
        raw.write(junk.subarray(0, MAX_MESSAGE_BYTES));
        raw.end();
        using peer = await openStream(proto, portOf(edge, proto));
        const id = crypto.randomUUID();
        peer.send(legitimate(`${proto.toUpperCase()} a.invalid`, id));
        await answerTo(id, peer, label);
        raw.destroy();
      }
    }
  },
  TIMEOUT_MS,
);

test(
  'the control port: spoilt frames of an app that has authenticated',
  async () => {
    const { edge } = await start();
    const phone = cleaner.use(await UdpPeer.open());
    for (const { messages, label } of batches()) {
      using bad = await RawApp.ready(edge);
      for (const message of messages) {
        const text = message.toString().slice(0, 60_000);
        bad.send(`id|sip|||sip:127.0.0.1:${phone.port}\r\n${text}`);
        bad.send(`id|sip|${crypto.randomUUID()}|\r\n${text}`);
        bad.send(text);
      }
      const id = crypto.randomUUID();
      phone.send(legitimate(`UDP 127.0.0.1:${phone.port}`, id), portOf(edge, 'udp'));
      for (;;) {
        const text = await phone.next(`an answer after ${label}`);
        // What an app has the edge send is sound, or not sent.
        const { kind } = parseMessage(Buffer.from(text));
        if (kind === 'response' && text.includes(`\r\nCall-ID: ${id}\r\n`)) break;
      }
    }
  },
  TIMEOUT_MS,
);
