import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { Edge } from '../../src/edge/index.ts';
import { MAX_MESSAGE_BYTES } from '../../src/edge/limits.ts';
import type { Logger } from '../../src/lib/logger.ts';
import type { SipAnswer, SipHandler } from '../../src/ports/sip-server.ts';
import type { ParsedMessage, SipRequest } from '../../src/sip/message.ts';
import { parseMessage } from '../../src/sip/parse-message.ts';
import { disposedAfterEach } from '../support/after-each.ts';
import { serialise } from '../support/drachtio/messages.ts';
import { request } from '../support/sip-request.ts';
import { clientFrame, openSocket, openStream, UdpPeer } from '../support/wire.ts';
import { headersIn, sipMessage, spoiltMessage } from './fuzz-messages.ts';
import { portOf, serverTls, silent } from './support.ts';

/**
 * No spoilt message ends the edge or anything in it; a sound request is answered afterwards.
 * EDGE_FUZZ_MESSAGES is the number of messages for each transport. EDGE_FUZZ_SEED repeats a run; a failure names it.
 */
const MESSAGES = Number(process.env.EDGE_FUZZ_MESSAGES ?? 600);
const SEED = Number(process.env.EDGE_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Few enough for the buffers of a UDP socket. */
const AT_A_TIME = 12;
const TIMEOUT_MS = 20_000 + MESSAGES * 20;
const MAX_DATAGRAM = 65_507;

const cleaner = disposedAfterEach();

async function start(handler: SipHandler, logger: Logger = silent): Promise<Edge> {
  const listen = (['udp', 'tcp', 'tls', 'ws', 'wss'] as const).map((proto) => ({ proto, host: '127.0.0.1', port: 0 }));
  const edge = new Edge({ listen, tls: serverTls(), logger });
  for (const method of ['REGISTER', 'OPTIONS']) edge.handle(method, handler);
  await edge.connect();
  cleaner.defer(() => edge.stop(0));
  return edge;
}

/** An edge that answers every sound request with 200. */
async function startEcho() {
  const requests: SipRequest[] = [];
  const faults: object[] = [];
  const handler = async (request: SipRequest) => {
    requests.push(request);
    expectSound(request);
    return { status: 200, headers: { 'X-Length': String(request.body.length) } };
  };
  const edge = await start(handler, { ...silent, error: (fields) => faults.push(fields) });
  return { edge, requests, /** Handlers that threw and messages that the edge failed on. */ faults };
}

/** What a handler is given is what the parser makes of it once more. */
function expectSound({ source: _source, receivedOn: _listener, ...request }: SipRequest): void {
  const parsed = parseMessage(Buffer.from(serialise(request) as string));
  expect({ ...parsed, body: Buffer.from(parsed.body) }).toEqual({ ...request, body: Buffer.from(request.body) });
}

function expectParsed(text: string, label: string): ParsedMessage {
  try {
    return parseMessage(Buffer.from(text));
  } catch (error) {
    throw new Error(`not sound, with ${label}: ${JSON.stringify(text)}`, { cause: error });
  }
}

/** A refusal repeats headers of its request that may be malformed, but line by line: no other header can get in. */
function expectResponse(text: string, label: string): void {
  if (!/^SIP\/2\.0 (400|413|505) /.test(text)) expect(expectParsed(text, label).kind).toBe('response');
  const [, ...lines] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n');
  for (const line of lines)
    expect(line).toMatch(/^(Via|From|To|Call-ID|CSeq|Content-Length|Allow|Unsupported|X-Length): [^\r\n]*$/);
}

/** Batches of spoilt messages, each with the seed that repeats it. */
function* batches(): Generator<{ messages: readonly Buffer[]; label: string }> {
  for (let i = 0; i * AT_A_TIME < MESSAGES; i++) {
    const seed = (SEED + i) % 2 ** 31;
    yield { messages: fc.sample(spoiltMessage, { numRuns: AT_A_TIME, seed }), label: `EDGE_FUZZ_SEED=${seed}` };
  }
}

const sound = (via: string, callId: string) => request('OPTIONS', via, { callId });

/** Waits for the response to the request of that Call-ID; every one before it must be sound too. */
async function responseTo(callId: string, peer: { next(what: string): Promise<string> }, label: string): Promise<void> {
  for (;;) {
    const text = await peer.next(`a response after ${label}`);
    if (text === '\r\n') continue;
    expectResponse(text, label);
    if (text.includes(`\r\nCall-ID: ${callId}\r\n`)) {
      expect(text).toStartWith('SIP/2.0 200 OK\r\n');
      return;
    }
  }
}

test('most messages of the corpus are sound before they are spoilt', () => {
  const parsed = fc.sample(sipMessage, { numRuns: 300, seed: 1 }).filter((text) => {
    try {
      return parseMessage(Buffer.from(text));
    } catch {
      return false; // a few are not, on purpose
    }
  });
  expect(parsed.length).toBeGreaterThan(100);
});

test(
  'udp: spoilt messages, with a sound one after every few',
  async () => {
    const { edge, requests, faults } = await startEcho();
    const peer = cleaner.use(await UdpPeer.open(portOf(edge, 'udp')));
    for (const { messages, label } of batches()) {
      for (const message of messages) peer.send(message.subarray(0, MAX_DATAGRAM));
      const id = crypto.randomUUID();
      peer.send(sound(`UDP 127.0.0.1:${peer.port}`, id));
      await responseTo(id, peer, label);
    }
    expect(requests.length).toBeGreaterThan(MESSAGES / AT_A_TIME);
    expect(edge.counters.malformed).toBeGreaterThan(0);
    expect(faults).toEqual([]);
  },
  TIMEOUT_MS,
);

describe.each(['tcp', 'tls', 'ws', 'wss'] as const)('%s', (proto) => {
  const via = `${proto.toUpperCase()} a.invalid`;

  test(
    'spoilt messages, each on the connection of the one before as long as that lasts',
    async () => {
      const { edge, faults } = await startEcho();
      let peer = await openStream(proto, portOf(edge, proto));
      for (const { messages, label } of batches()) {
        for (const message of messages) {
          if (peer.socket.writable) peer.socket.write(proto.startsWith('ws') ? clientFrame(2, message) : message);
        }
        peer[Symbol.dispose]();
        peer = await openStream(proto, portOf(edge, proto));
        const id = crypto.randomUUID();
        peer.send(sound(via, id));
        await responseTo(id, peer, label);
      }
      peer[Symbol.dispose]();
      expect(faults).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    'sound messages cut anywhere, with junk after them',
    async () => {
      const { edge, faults } = await startEcho();
      for (const { messages, label } of batches()) {
        using peer = await openStream(proto, portOf(edge, proto));
        const ids = messages.map(() => crypto.randomUUID());
        const stream = Buffer.concat(ids.map((id) => peer.encode(sound(via, id))));
        // The cuts come from the junk itself, so that the seed repeats them.
        let at = 0;
        for (const { length } of messages) {
          const end = Math.min(stream.length, at + (length % 400));
          peer.socket.write(stream.subarray(at, end));
          at = end;
        }
        peer.socket.write(stream.subarray(at));
        for (const id of ids) await responseTo(id, peer, label);
        peer.socket.write(messages[0] ?? '');
      }
      expect(faults).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

test(
  'tls, ws, wss: junk instead of the handshake and the upgrade',
  async () => {
    const { edge, faults } = await startEcho();
    for (const { messages, label } of batches()) {
      for (const proto of ['tls', 'ws', 'wss'] as const) {
        const [junk = Buffer.alloc(0)] = messages;
        const raw = await openSocket(proto === 'wss' ? 'wss' : 'tcp', portOf(edge, proto));
        raw.on('error', () => {});
        raw.write(junk.subarray(0, MAX_MESSAGE_BYTES));
        raw.end();
        using peer = await openStream(proto, portOf(edge, proto));
        const id = crypto.randomUUID();
        peer.send(sound(`${proto.toUpperCase()} a.invalid`, id));
        await responseTo(id, peer, label);
        raw.destroy();
      }
    }
    expect(faults).toEqual([]);
  },
  TIMEOUT_MS,
);

test(
  'no answer of a handler adds a line to its response',
  async () => {
    let answer: SipAnswer = { status: 200 };
    const edge = await start(async () => answer);
    const phone = cleaner.use(await UdpPeer.open(portOf(edge, 'udp')));
    const statuses = new Set<number>();
    for (const { messages, label } of batches()) {
      for (const message of messages) {
        answer = { status: 200, headers: headersIn(message) };
        phone.send(sound(`UDP 127.0.0.1:${phone.port}`, crypto.randomUUID()));
        const text = await phone.next(`a response after ${label}`);
        statuses.add(Number(text.split(' ', 2)[1]));
        const [, ...lines] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n');
        expect(text).toEndWith(`${lines.at(-1)}\r\n\r\n`);
        for (const line of lines) expect(line).toMatch(/^[^\s:]+: [^\r\n\0]*$/);
        for (const name of ['Via', 'From', 'To', 'Call-ID', 'CSeq', 'Content-Length'])
          expect(lines.filter((line) => line.startsWith(`${name}:`))).toHaveLength(1);
      }
    }
    expect([...statuses].toSorted()).toEqual([200, 500]);
  },
  TIMEOUT_MS,
);

test(
  'whatever the headers of a request of ours are, it is sound or not sent',
  async () => {
    const edge = await start(async () => ({ status: 200 }));
    const gateway = cleaner.use(await UdpPeer.open());
    const nextHop = { address: '127.0.0.1', port: gateway.port, transport: 'udp' } as const;
    let failed = 0;
    let sent = 0;
    for (const { messages, label } of batches()) {
      for (const message of messages) {
        // The second word of a request line, which may be anything by now.
        const [, uri = ''] = message.toString().split(' ', 2);
        const { CSeq: _, ...headers } = headersIn(message);
        const ours = { method: 'OPTIONS', uri, nextHop, headers } as const;
        edge.request(ours, TIMEOUT_MS).catch(() => failed++);
      }
      const callId = crypto.randomUUID();
      const last = { method: 'OPTIONS', uri: 'sip:a@b.test', nextHop, headers: { 'Call-ID': callId } } as const;
      edge.request(last, TIMEOUT_MS).catch(() => failed++);
      for (;;) {
        const parsed = expectParsed(await gateway.next(`a request after ${label}`), label);
        expect(parsed.headers.filter(({ name }) => name === 'Via')).toHaveLength(1);
        if (parsed.callId === callId) break;
        sent++;
      }
    }
    expect(sent).toBeGreaterThan(0);
    expect(failed).toBeGreaterThan(0);
  },
  TIMEOUT_MS,
);
