import { describe, expect, test } from 'bun:test';
import { MAX_KEPT_ANSWER_BYTES } from '../../src/edge/limits.ts';
import type { ClientUser } from '../../src/edge/transactions/client.ts';
import { ClientTransactions } from '../../src/edge/transactions/client-table.ts';
import type { ServerTransaction } from '../../src/edge/transactions/server.ts';
import {
  type ServerTransactionLimits,
  ServerTransactions,
  transactionKey,
} from '../../src/edge/transactions/server-table.ts';
import type { Flow, Transport } from '../../src/edge/transports/transport.ts';
import type { ParsedRequest, ParsedResponse, Wire } from '../../src/sip/message.ts';
import { parseMessage } from '../../src/sip/parse-message.ts';
import { request } from '../support/sip-request.ts';
import { ManualTimers } from '../support/timers.ts';

const unexpected = () => {
  throw new Error('unexpected call');
};
const transport = (reliable: boolean): Transport => ({
  protocol: reliable ? 'tcp' : 'udp',
  baseProtocol: reliable ? 'tcp' : 'udp',
  viaProtocol: reliable ? 'TCP' : 'UDP',
  defaultPort: 5060,
  reliable,
  address: '127.0.0.1',
  port: 5060,
  connectedTo: () => false,
  disconnect: unexpected,
  flowTo: unexpected,
  callBack: unexpected,
  stopReading: () => {},
  close: async () => {},
});
const UDP = transport(false);
const TCP = transport(true);
const SOURCE = { address: '192.0.2.1', port: 5060 };

/** A flow that records what was sent and when. */
class RecordedFlow implements Flow {
  readonly address = SOURCE.address;
  readonly port = SOURCE.port;
  readonly sent: { readonly at: number; readonly data: Wire }[] = [];
  broken = false;
  retired = false;
  readonly established = true;
  readonly why = 'it has ended';
  /** Requests without a final response. */
  held = 0;

  constructor(
    readonly transport: Transport,
    private readonly timers: ManualTimers,
  ) {}

  sendingTo(): Flow {
    return this;
  }

  send(data: Wire): boolean {
    if (!this.broken) this.sent.push({ at: this.timers.monotonic(), data });
    return !this.broken;
  }

  hold(): void {
    this.held++;
  }

  release(): void {
    this.held--;
  }

  retire(): void {
    this.retired = true;
  }

  get times(): number[] {
    return this.sent.map(({ at }) => at);
  }

  get messages(): Wire[] {
    return this.sent.map(({ data }) => data);
  }
}

function parseRequest(text: string): ParsedRequest {
  const message = parseMessage(Buffer.from(text));
  if (message.kind !== 'request') throw new Error(`not a request: ${text}`);
  return message;
}

function parseResponse(text: string): ParsedResponse {
  const message = parseMessage(Buffer.from(text));
  if (message.kind !== 'response') throw new Error(`not a response: ${text}`);
  return message;
}

/** An empty table of server transactions, and a flow on which requests come in. */
function serverTable(via: Transport, limits: ServerTransactionLimits = {}) {
  const timers = new ManualTimers();
  const flow = new RecordedFlow(via, timers);
  const table = new ServerTransactions(timers, (response, tx) => tx.flow.send(response), limits);
  const tryOpen = (text = request('OPTIONS', 'UDP 192.0.2.1'), over = flow) => {
    const message = parseRequest(text);
    const pending = { headers: message.headers, sentBy: message.topVia };
    return table.open(message, text.length, over, pending);
  };
  const open = (text?: string, over?: RecordedFlow): ServerTransaction => {
    const tx = tryOpen(text, over);
    if (!tx) throw new Error('the table refused the request');
    return tx;
  };
  return { timers, flow, table, tryOpen, open };
}

describe('server transaction, RFC 3261 17.2.2', () => {
  test('Trying: retransmissions are discarded', () => {
    const { flow, open } = serverTable(UDP);
    open().retransmitted();
    expect(flow.sent).toHaveLength(0);
  });

  test('Proceeding: retransmissions get the provisional response', () => {
    const { flow, open } = serverTable(UDP);
    const tx = open();
    tx.respond(100, 'trying');
    tx.retransmitted();
    tx.respond(200, 'ok');
    expect(flow.messages).toEqual(['trying', 'trying', 'ok']);
  });

  test('Proceeding: of several provisional responses, retransmissions get the last', () => {
    const { flow, open } = serverTable(UDP);
    const tx = open();
    tx.respond(100, 'trying');
    tx.respond(183, 'progress');
    tx.retransmitted();
    tx.retransmitted();
    expect(flow.messages).toEqual(['trying', 'progress', 'progress', 'progress']);
  });

  test.each([UDP, TCP])('Proceeding: without a final response it is forgotten after 32 s, $protocol', (via) => {
    const { timers, flow, table, open } = serverTable(via);
    const tx = open();
    timers.advance(10_000);
    tx.respond(100, 'trying');
    timers.advance(21_999);
    expect(table.match(tx.key)).toBe(tx);
    expect(tx.request).toBeDefined();
    expect(flow.held).toBe(1);
    timers.advance(1);
    expect(table.size).toBe(0);
    expect(table.match(tx.key)).toBeUndefined();
    expect(flow.held).toBe(0);
    // Later events have no effect.
    tx.respond(200, 'ok');
    tx.retransmitted();
    expect(flow.messages).toEqual(['trying']);
    expect(timers.pending).toBe(0);
  });

  test('Completed: retransmissions get the final response until timer J at 32 s, other responses are discarded', () => {
    const { timers, flow, table, open } = serverTable(UDP);
    const tx = open();
    expect(flow.held).toBe(1);
    timers.advance(1000);
    tx.respond(200, 'ok');
    tx.respond(486, 'busy');
    expect(tx.request).toBeUndefined();
    expect(flow.held).toBe(0);
    timers.advance(31_999);
    expect(table.match(tx.key)).toBe(tx);
    tx.retransmitted();
    expect(flow.messages).toEqual(['ok', 'ok']);
    timers.advance(1);
    expect(table.match(tx.key)).toBeUndefined();
    expect(table.size).toBe(0);
  });

  test('Completed: timer J is zero on a reliable transport', () => {
    const { table, open } = serverTable(TCP);
    open().respond(200, 'ok');
    expect(table.size).toBe(0);
  });

  test('a response that cannot be sent ends the transaction, in Proceeding and in Completed', async () => {
    const { timers, flow, table, open } = serverTable(UDP);
    const proceeding = open();
    const completed = open();
    flow.broken = true;
    proceeding.respond(100, 'trying');
    completed.respond(200, 'ok');
    expect(table.size).toBe(2);
    await Promise.resolve();
    expect(table.size).toBe(0);
    expect(table.match(proceeding.key)).toBeUndefined();
    expect(flow.held).toBe(0);
    timers.advance(40_000);
    expect(timers.pending).toBe(0);
  });

  test('Trying: without a response it is forgotten after 32 s and nothing is sent', () => {
    const { timers, flow, table, open } = serverTable(UDP);
    open();
    timers.advance(31_999);
    expect(table.size).toBe(1);
    timers.advance(1);
    expect(table.size).toBe(0);
    expect(flow.held).toBe(0);
    expect(flow.sent).toHaveLength(0);
  });

  test('a full table forgets the transaction that was answered first, and refuses when all are unanswered', () => {
    const { timers, table, tryOpen, open } = serverTable(UDP, { transactions: 3 });
    const first = open();
    const second = open();
    open();
    second.respond(200, 'ok');
    timers.advance(10);
    first.respond(200, 'ok');
    open();
    expect(table.match(second.key)).toBeUndefined();
    expect(table.match(first.key)).toBe(first);
    open();
    expect(tryOpen()).toBeUndefined();
    expect(table.size).toBe(3);
    // Timer J of the forgotten transactions does not end the others early.
    timers.advance(33_000);
    expect(table.size).toBe(0);
    expect(timers.pending).toBe(0);
  });

  test('a table that keeps too many bytes forgets answers and refuses requests likewise', () => {
    const text = (branch: string) => request('OPTIONS', 'UDP 192.0.2.1', { branch });
    const { timers, table, tryOpen, open } = serverTable(UDP, { bytes: text('z9hG4bK-1').length + 1000 });
    const first = open(text('z9hG4bK-1'));
    const large = text('z9hG4bK-2').replace('Max-Forwards', `X: ${'x'.repeat(1000)}\r\nMax-Forwards`);
    expect(tryOpen(large)).toBeUndefined();
    // Of an answered transaction only the response counts.
    first.respond(200, 'x'.repeat(900));
    const second = open(text('z9hG4bK-3'));
    expect(table.match(first.key)).toBe(first);
    second.respond(200, 'x'.repeat(900));
    expect(table.match(first.key)).toBeUndefined();
    expect(table.match(second.key)).toBe(second);
    timers.advance(33_000);
    open(text('z9hG4bK-4'));
  });

  test('a request that fills the table to its bound of bytes is taken', () => {
    const text = request('OPTIONS', 'UDP 192.0.2.1');
    expect(serverTable(UDP, { bytes: text.length }).tryOpen(text)).toBeDefined();
    expect(serverTable(UDP, { bytes: text.length - 1 }).tryOpen(text)).toBeUndefined();
  });

  test('a cleared table has room again, and knows none of its requests', () => {
    const text = request('REGISTER', 'UDP 192.0.2.1', { branch: 'z9hG4bK-1' });
    const { flow, table, open } = serverTable(UDP, { transactions: 2, unanswered: 1, bytes: 1.5 * text.length });
    const answered = open(text);
    answered.respond(200, 'x'.repeat(text.length));
    table.clear();
    expect(table.isMerged(parseRequest(text.replace('z9hG4bK-1', 'z9hG4bK-2')))).toBe(false);
    const pending = open(text);
    table.clear();
    expect(table.match(pending.key)).toBeUndefined();
    expect(table.isMerged(parseRequest(text.replace('z9hG4bK-1', 'z9hG4bK-2')))).toBe(false);
    expect(flow.held).toBe(0);
    open(text);
  });

  test('a very long response is sent and not kept', () => {
    const { flow, table, open } = serverTable(UDP);
    open().respond(200, 'x'.repeat(MAX_KEPT_ANSWER_BYTES));
    expect(table.size).toBe(1);
    open().respond(200, 'x'.repeat(MAX_KEPT_ANSWER_BYTES + 1));
    expect(table.size).toBe(1);
    expect(flow.sent).toHaveLength(2);
  });

  test('a response is sent again at most as often as a client may retransmit', () => {
    const { flow, open } = serverTable(UDP);
    const tx = open();
    tx.respond(200, 'ok');
    for (let i = 0; i < 100; i++) tx.retransmitted();
    // By timer E a client sends a request eleven times in 32 s.
    expect(flow.sent).toHaveLength(11);
  });
});

describe('matching, RFC 3261 17.2.3', () => {
  const text = request('REGISTER', 'UDP 192.0.2.1:5070', { branch: 'z9hG4bKx', callId: '1' });
  const key = (changed: string) => transactionKey(parseRequest(changed), SOURCE);

  test('branch, sent-by, method and source make a transaction, nothing else', () => {
    expect(transactionKey(parseRequest(text), { ...SOURCE, port: 5061 })).not.toBe(key(text));
    expect(transactionKey(parseRequest(text), { ...SOURCE, address: '192.0.2.2' })).not.toBe(key(text));
    expect(key(text.replace('Call-ID: 1', 'Call-ID: 2'))).toBe(key(text));
    expect(key(text.replace('z9hG4bKx', 'z9hG4bKy'))).not.toBe(key(text));
    expect(key(text.replace(':5070', ':5071'))).not.toBe(key(text));
    expect(key(text.replaceAll('REGISTER', 'OPTIONS'))).not.toBe(key(text));
  });

  test('a branch that is only the magic cookie does not count (RFC 4475 3.2.1)', () => {
    const bare = text.replace('z9hG4bKx', 'z9hG4bK');
    expect(key(bare.replace('Call-ID: 1', 'Call-ID: 2'))).not.toBe(key(bare));
  });

  test('without the magic cookie, everything that a retransmission repeats counts (RFC 2543)', () => {
    const old = text.replace('branch=z9hG4bKx', 'branch=1');
    expect(key(old)).toBe(key(old));
    for (const change of ['Call-ID: 2', 'CSeq: 2 REGISTER', 'From: <sip:demo@sidecar.test>;tag=2']) {
      const name = change.slice(0, change.indexOf(':'));
      expect(key(old.replace(new RegExp(`^${name}: .*$`, 'm'), change))).not.toBe(key(old));
    }
  });

  test.each([
    ['another Request-URI', 'REGISTER sip:sidecar.test ', 'REGISTER sip:other.test '],
    ['another tag in To', 'To: <sip:demo@sidecar.test>;tag=a', 'To: <sip:demo@sidecar.test>;tag=b'],
    ['no tag in To', 'To: <sip:demo@sidecar.test>;tag=a', 'To: <sip:demo@sidecar.test>'],
    ['another host in the top Via', 'UDP 192.0.2.1:5070', 'UDP 192.0.2.2:5070'],
    ['another port in the top Via', 'UDP 192.0.2.1:5070', 'UDP 192.0.2.1:5071'],
    ['another branch in the top Via', 'branch=1', 'branch=2'],
    ['no branch in the top Via', ';branch=1', ''],
  ])('without the magic cookie, %s makes another transaction', (_what, from, to) => {
    const old = text
      .replace('branch=z9hG4bKx', 'branch=1')
      .replace('To: <sip:demo@sidecar.test>', 'To: <sip:demo@sidecar.test>;tag=a');
    expect(old).toContain(from);
    expect(key(old.replace(from, to))).not.toBe(key(old));
  });

  test('without the magic cookie, headers that a proxy adds do not count', () => {
    const old = text.replace(';branch=z9hG4bKx', '');
    const routed = old.replace('Max-Forwards: 70', 'Via: SIP/2.0/UDP 192.0.2.3\r\nMax-Forwards: 69');
    expect(key(routed)).toBe(key(old));
  });
});

describe('merged requests, RFC 3261 8.2.2.2', () => {
  const text = request('REGISTER', 'UDP 192.0.2.1:5070', { branch: 'z9hG4bKx', callId: '1' });
  const copy = text.replace('z9hG4bKx', 'z9hG4bKy').replace('192.0.2.1', '192.0.2.9');

  test('a copy has the same From tag, Call-ID and CSeq, as long as the first request is remembered', () => {
    const { timers, table, open } = serverTable(UDP);
    const tx = open(text);
    expect(table.isMerged(parseRequest(copy))).toBe(true);
    tx.respond(200, 'ok');
    expect(table.isMerged(parseRequest(copy))).toBe(true);
    timers.advance(32_000);
    expect(table.isMerged(parseRequest(copy))).toBe(false);
  });

  test('the same request from another port is not a copy, as a NAT may have changed its mapping', () => {
    const { table, open } = serverTable(UDP);
    open(text);
    expect(table.isMerged(parseRequest(text))).toBe(false);
    expect(table.match(transactionKey(parseRequest(text), { ...SOURCE, port: 5061 }))).toBeUndefined();
  });

  test.each([300, 401, 503])('a request that was answered %i may come again by another path', (status) => {
    const { table, open } = serverTable(UDP);
    open(text).respond(status, 'refused');
    expect(table.size).toBe(1);
    expect(table.isMerged(parseRequest(copy))).toBe(false);
  });

  test.each([
    ['another Call-ID', 'Call-ID: 1', 'Call-ID: 2'],
    ['another CSeq', 'CSeq: 1 ', 'CSeq: 2 '],
    ['another From tag', 'test>;tag=1', 'test>;tag=2'],
    ['no From tag', 'test>;tag=1', 'test>'],
    ['a To tag', 'To: <sip:demo@sidecar.test>', 'To: <sip:demo@sidecar.test>;tag=x'],
    ['credentials under the old CSeq', 'Max-Forwards', 'Authorization: Digest x=y\r\nMax-Forwards'],
  ])('a request with %s is not a copy', (_what, from, to) => {
    const { table, open } = serverTable(UDP);
    open(text);
    expect(copy).toContain(from);
    expect(table.isMerged(parseRequest(copy.replace(from, to)))).toBe(false);
  });

  test('of two remembered copies the later one counts when the first is forgotten', () => {
    const { timers, table, open } = serverTable(UDP);
    open(text);
    timers.advance(10_000);
    open(copy);
    timers.advance(25_000);
    expect(table.size).toBe(1);
    expect(table.isMerged(parseRequest(copy.replace('z9hG4bKy', 'z9hG4bKw')))).toBe(true);
  });

  test('of two remembered copies the later one counts', () => {
    const { timers, table, open } = serverTable(UDP);
    const first = open(text);
    const third = parseRequest(copy.replace('z9hG4bKy', 'z9hG4bKw'));
    open(copy, new RecordedFlow(TCP, timers));
    first.respond(200, 'ok');
    timers.advance(31_999);
    expect(table.isMerged(third)).toBe(true);
    timers.advance(1);
    expect(table.size).toBe(0);
    expect(table.isMerged(third)).toBe(false);
  });
});

describe('client transaction, RFC 3261 17.1.2', () => {
  const REQUEST = { branch: 'z9hG4bKc', method: 'OPTIONS', wire: 'request' };
  const ignore: ClientUser = { response: () => {}, failure: () => {} };

  /** A table with one request in progress, and what its user has received. */
  const setUp = (via: Transport) => {
    const timers = new ManualTimers();
    const flow = new RecordedFlow(via, timers);
    const table = new ClientTransactions(timers);
    const happened: (number | string)[] = [];
    table.send(REQUEST, flow, {
      response: ({ status }) => happened.push(status),
      failure: (status) => happened.push(`failure ${status} at ${timers.monotonic()}`),
    });
    const answer = (status: number, branch = REQUEST.branch, method = 'OPTIONS') => {
      const text = request(method, 'UDP 192.0.2.9', { branch }).replace(/^.* SIP\/2.0/, `SIP/2.0 ${status} Whatever`);
      return table.receive(parseResponse(text), flow, text.length);
    };
    return { timers, flow, table, happened, answer };
  };

  test('Trying: timer E after 0.5, 1, 2, 4, 4 … s; timer F at 32 s makes it 408', () => {
    const { timers, flow, table, happened } = setUp(UDP);
    timers.advance(40_000);
    expect(flow.times).toEqual([0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    expect(happened).toEqual(['failure 408 at 32000']);
    expect(table.size).toBe(0);
    expect(timers.pending).toBe(0);
  });

  test('Proceeding: timer E every 4 s, timer F still at 32 s', () => {
    const { timers, flow, happened, answer } = setUp(UDP);
    timers.advance(600);
    answer(100);
    timers.advance(40_000);
    expect(flow.times).toEqual([0, 500, 1500, 5500, 9500, 13_500, 17_500, 21_500, 25_500, 29_500]);
    expect(happened).toEqual([100, 'failure 408 at 32000']);
  });

  test('Proceeding: further provisional responses are passed on too', () => {
    const { timers, flow, happened, answer } = setUp(UDP);
    answer(100);
    answer(183);
    timers.advance(10_000);
    answer(183);
    answer(200);
    expect(happened).toEqual([100, 183, 183, 200]);
    // Timer E began with the request, and had T2 from Proceeding on.
    expect(flow.times).toEqual([0, 500, 4500, 8500]);
  });

  test('Completed: no more retransmissions, copies of the response are absorbed until timer K at 5 s', () => {
    const { timers, flow, table, happened, answer } = setUp(UDP);
    timers.advance(600);
    answer(200);
    expect(answer(200)).toBe(true);
    timers.advance(4_999);
    expect(table.size).toBe(1);
    timers.advance(1);
    expect(table.size).toBe(0);
    expect(answer(200)).toBe(false);
    expect(happened).toEqual([200]);
    timers.advance(40_000);
    expect(flow.times).toEqual([0, 500]);
    expect(timers.pending).toBe(0);
  });

  test('a reliable transport: sent once, timer K is zero', () => {
    const { timers, flow, table, happened, answer } = setUp(TCP);
    timers.advance(10_000);
    answer(401);
    expect(flow.times).toEqual([0]);
    expect(happened).toEqual([401]);
    expect(table.size).toBe(0);
  });

  test('a reliable transport without an answer: 408 at 32 s', () => {
    const { timers, happened } = setUp(TCP);
    timers.advance(32_000);
    expect(happened).toEqual(['failure 408 at 32000']);
  });

  test('transport error: 503, once', () => {
    const { timers, table, happened } = setUp(UDP);
    timers.advance(100);
    table.unreachable(TCP, '192.0.2.1', 5060, 'port unreachable');
    table.unreachable(UDP, '192.0.2.1', 5061, 'port unreachable');
    table.unreachable(UDP, '192.0.2.2', 5060, 'port unreachable');
    expect(happened).toEqual([]);
    table.unreachable(UDP, '192.0.2.1', 5060, 'port unreachable');
    table.unreachable(UDP, '192.0.2.1', 5060, 'port unreachable');
    expect(happened).toEqual(['failure 503 at 100']);
    timers.advance(40_000);
    expect(happened).toHaveLength(1);
  });

  test('transport error in Proceeding: 503, once, and nothing is sent any more', () => {
    const { timers, flow, table, happened, answer } = setUp(UDP);
    answer(100);
    timers.advance(600);
    table.unreachable(UDP, '192.0.2.1', 5060, 'port unreachable');
    table.unreachable(UDP, '192.0.2.1', 5060, 'port unreachable');
    expect(happened).toEqual([100, 'failure 503 at 600']);
    expect(table.size).toBe(0);
    expect(answer(200)).toBe(false);
    timers.advance(40_000);
    expect(happened).toHaveLength(2);
    expect(flow.times).toEqual([0, 500]);
    expect(timers.pending).toBe(0);
  });

  test('the end of its connection in Proceeding: 503', () => {
    const { timers, flow, table, happened, answer } = setUp(TCP);
    answer(100);
    table.ended(new RecordedFlow(TCP, timers));
    expect(happened).toEqual([100]);
    table.ended(flow);
    expect(happened).toEqual([100, 'failure 503 at 0']);
    expect(table.size).toBe(0);
  });

  test('the end of its connection fails it, although another request on it was answered', () => {
    const { flow, table, happened, answer } = setUp(TCP);
    const other: number[] = [];
    table.send({ ...REQUEST, branch: 'z9hG4bKd' }, flow, { ...ignore, failure: (status) => other.push(status) });
    answer(200);
    table.ended(flow);
    expect(other).toEqual([503]);
    expect(happened).toEqual([200]);
  });

  test('after it has moved to another connection, the first one is none of its business', () => {
    const timers = new ManualTimers();
    const [first, second] = [new RecordedFlow(TCP, timers), new RecordedFlow(TCP, timers)];
    const table = new ClientTransactions(timers);
    const failures: string[] = [];
    const user = { ...ignore, failure: (status: number, why: string) => failures.push(`${status} ${why}`) };
    table.send(REQUEST, first, user, () => second);
    table.ended(first);
    table.ended(first);
    expect([first, second].map(({ times }) => times)).toEqual([[0], [0]]);
    expect(failures).toEqual([]);
    table.ended(second);
    expect(failures).toEqual(['503 it has ended']);
  });

  test('a flow that has ended: 503, after send() has returned', async () => {
    const timers = new ManualTimers();
    const flow = new RecordedFlow(TCP, timers);
    flow.broken = true;
    const table = new ClientTransactions(timers);
    const failed = Promise.withResolvers<number>();
    let returned = false;
    table.send(REQUEST, flow, {
      response: () => {},
      failure: (status) => (returned ? failed.resolve(status) : failed.reject(new Error('too early'))),
    });
    returned = true;
    expect(await failed.promise).toBe(503);
  });

  test('branch and method of CSeq must match (17.1.3)', () => {
    const { happened, answer } = setUp(UDP);
    expect(answer(200, 'z9hG4bKother')).toBe(false);
    expect(answer(200, REQUEST.branch, 'REGISTER')).toBe(false);
    expect(happened).toEqual([]);
  });

  test('a table is full at its limit', () => {
    const timers = new ManualTimers();
    const table = new ClientTransactions(timers, 1);
    expect(table.full).toBe(false);
    table.send(REQUEST, new RecordedFlow(UDP, timers), ignore);
    expect(table.full).toBe(true);
  });

  test('only requests without a final response have destinations', () => {
    const { flow, table, answer } = setUp(UDP);
    expect(table.destinations(UDP)).toEqual([flow]);
    expect(table.destinations(TCP)).toEqual([]);
    answer(100);
    expect(table.destinations(UDP)).toEqual([flow]);
    answer(200);
    expect(table.destinations(UDP)).toEqual([]);
  });

  test('failing all: 503 for a request without a final response, nothing for one that has it', () => {
    const { timers, flow, table, happened, answer } = setUp(UDP);
    answer(200);
    const other: number[] = [];
    table.send({ ...REQUEST, branch: 'z9hG4bKd' }, flow, { ...ignore, failure: (status) => other.push(status) });
    table.failAll('stopping');
    expect(happened).toEqual([200]);
    expect(other).toEqual([503]);
    expect(table.size).toBe(0);
    expect(timers.pending).toBe(0);
  });
});
