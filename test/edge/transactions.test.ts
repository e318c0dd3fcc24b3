import { beforeEach, describe, expect, test } from 'bun:test';
import { MAX_KEPT_ANSWER_BYTES, MAX_RESENDS } from '../../src/edge/limits.ts';
import { ClientTransactions } from '../../src/edge/transactions/client-table.ts';
import {
  type ServerTransactionLimits,
  ServerTransactions,
  transactionKey,
} from '../../src/edge/transactions/server-table.ts';
import type { Flow, Transport } from '../../src/edge/transports/transport.ts';
import type { SipRequest, SipResponse, Wire } from '../../src/sip/message.ts';
import { parseMessage } from '../../src/sip/parse-message.ts';
import { ManualClock, request } from './support.ts';

const nowhere = () => {
  throw new Error('not here');
};
const transport = (reliable: boolean): Transport => ({
  protocol: reliable ? 'tcp' : 'udp',
  toldAs: reliable ? 'tcp' : 'udp',
  viaProtocol: reliable ? 'TCP' : 'UDP',
  defaultPort: 5060,
  reliable,
  address: '127.0.0.1',
  port: 5060,
  connectedTo: () => false,
  flowTo: nowhere,
  callBack: nowhere,
  close: async () => {},
});
const UDP = transport(false);
const TCP = transport(true);

/** A flow that writes down when what was sent. */
class Line implements Flow {
  readonly address = '192.0.2.1';
  readonly port = 5060;
  readonly sent: { readonly at: number; readonly data: Wire }[] = [];
  broken = false;

  constructor(
    readonly transport: Transport,
    private readonly clock: ManualClock,
  ) {}

  send(data: Wire): boolean {
    if (!this.broken) this.sent.push({ at: this.clock.now(), data });
    return !this.broken;
  }

  /** Requests that wait. */
  held = 0;

  hold(): void {
    this.held++;
  }

  release(): void {
    this.held--;
  }

  get times(): number[] {
    return this.sent.map(({ at }) => at);
  }
}

const SOURCE = { address: '192.0.2.1', port: 5060 };
const incoming = (text: string) => parseMessage(Buffer.from(text)) as SipRequest;
let clock: ManualClock;
beforeEach(() => {
  clock = new ManualClock();
});

describe('server transaction, RFC 3261 17.2.2', () => {
  const APP = {};
  let count = 0;
  const setUp = (via: Transport, limits: ServerTransactionLimits = {}) => {
    const flow = new Line(via, clock);
    const table = new ServerTransactions(clock, (response, tx) => tx.flow.send(response), limits);
    const open = (text = request('OPTIONS', 'UDP 192.0.2.1'), owner: object = APP) => {
      const message = incoming(text);
      return table.open(message, text.length, transactionKey(message, flow), `id-${++count}`, flow, {
        headers: message.headers,
        sentBy: message.topVia,
        owner,
      });
    };
    return { flow, table, open };
  };

  test('Trying: retransmissions are discarded', () => {
    const { flow, open } = setUp(UDP);
    open()?.retransmitted();
    expect(flow.sent).toHaveLength(0);
  });

  test('Proceeding: retransmissions get the provisional response', () => {
    const { flow, open } = setUp(UDP);
    const tx = open();
    tx?.respond(100, 'trying');
    tx?.retransmitted();
    tx?.respond(200, 'ok');
    expect(flow.sent.map(({ data }) => data)).toEqual(['trying', 'trying', 'ok']);
  });

  test('Proceeding: of several provisional responses, retransmissions get the last', () => {
    const { flow, open } = setUp(UDP);
    const tx = open();
    tx?.respond(100, 'trying');
    tx?.respond(183, 'progress');
    tx?.retransmitted();
    tx?.retransmitted();
    expect(flow.sent.map(({ data }) => data)).toEqual(['trying', 'progress', 'progress', 'progress']);
  });

  test.each([UDP, TCP])('Proceeding without a final response: forgotten after 32 s, $protocol', (via) => {
    const { flow, table, open } = setUp(via);
    const tx = open();
    clock.advance(10_000);
    tx?.respond(100, 'trying');
    clock.advance(21_999);
    expect(table.match(tx?.key ?? '')).toBe(tx as NonNullable<typeof tx>);
    expect(table.awaiting(tx?.id ?? '')).toBe(tx as NonNullable<typeof tx>);
    expect(flow.held).toBe(1);
    clock.advance(1);
    expect(table.size).toBe(0);
    expect(table.awaiting(tx?.id ?? '')).toBeUndefined();
    expect(flow.held).toBe(0);
    // What is said of it later reaches nobody.
    tx?.respond(200, 'ok');
    tx?.retransmitted();
    expect(flow.sent.map(({ data }) => data)).toEqual(['trying']);
    expect(clock.pending).toBe(0);
  });

  test('Completed: retransmissions get the final response until timer J at 32 s, other responses are discarded', () => {
    const { flow, table, open } = setUp(UDP);
    const tx = open();
    expect(table.awaiting(tx?.id ?? '')).toBe(tx as NonNullable<typeof tx>);
    clock.advance(1000);
    tx?.respond(200, 'ok');
    tx?.respond(486, 'busy');
    expect(table.awaiting(tx?.id ?? '')).toBeUndefined();
    clock.advance(31_999);
    table.match(tx?.key ?? '')?.retransmitted();
    expect(flow.sent.map(({ data }) => data)).toEqual(['ok', 'ok']);
    clock.advance(1);
    expect(table.match(tx?.key ?? '')).toBeUndefined();
    expect(table.size).toBe(0);
  });

  test('timer J is zero on a reliable transport', () => {
    const { table, open } = setUp(TCP);
    open()?.respond(200, 'ok');
    expect(table.size).toBe(0);
  });

  test('a response that cannot be sent ends it, in Proceeding and in Completed', async () => {
    const { flow, table, open } = setUp(UDP);
    const [proceeding, completed] = [open(), open()];
    flow.broken = true;
    proceeding?.respond(100, 'trying');
    completed?.respond(200, 'ok');
    expect(table.size).toBe(2);
    await Promise.resolve();
    expect(table.size).toBe(0);
    expect(table.awaiting(proceeding?.id ?? '')).toBeUndefined();
    clock.advance(40_000);
    expect(clock.pending).toBe(0);
  });

  test('no answer: forgotten after 32 s, nothing is sent', () => {
    const { flow, table, open } = setUp(UDP);
    open();
    clock.advance(31_999);
    expect(table.size).toBe(1);
    clock.advance(1);
    expect(table.size).toBe(0);
    expect(flow.sent).toHaveLength(0);
  });

  test('a full table forgets its oldest answer first, and refuses when all are open', () => {
    const { table, open } = setUp(UDP, { transactions: 3 });
    const [first, second] = [open(), open()];
    open();
    second?.respond(200, 'ok');
    clock.advance(10);
    first?.respond(200, 'ok');
    expect(open()).toBeDefined();
    expect(table.match(second?.key ?? '')).toBeUndefined();
    expect(table.match(first?.key ?? '')).toBeDefined();
    expect(open()).toBeDefined();
    expect(open()).toBeUndefined();
    expect(table.size).toBe(3);
    // The timer of the answer that was forgotten early does no harm to the others.
    clock.advance(33_000);
    expect(table.size).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('so does one with too many bytes', () => {
    const text = (branch: string) => request('OPTIONS', 'UDP 192.0.2.1', { branch });
    const { table, open } = setUp(UDP, { bytes: text('z9hG4bK-1').length + 1000 });
    const first = open(text('z9hG4bK-1'));
    expect(open(text('z9hG4bK-2').replace('Max-Forwards', `X: ${'x'.repeat(1000)}\r\nMax-Forwards`))).toBeUndefined();
    // Of what is answered, the answer alone counts.
    first?.respond(200, 'x'.repeat(900));
    const second = open(text('z9hG4bK-3'));
    expect(second).toBeDefined();
    expect(table.match(first?.key ?? '')).toBeDefined();
    second?.respond(200, 'x'.repeat(900));
    expect(table.match(first?.key ?? '')).toBeUndefined();
    expect(table.match(second?.key ?? '')).toBeDefined();
    clock.advance(33_000);
    expect(open(text('z9hG4bK-4'))).toBeDefined();
  });

  test('a very long answer is sent, and not kept', () => {
    const { flow, table, open } = setUp(UDP);
    open()?.respond(200, 'x'.repeat(MAX_KEPT_ANSWER_BYTES));
    expect(table.size).toBe(1);
    open()?.respond(200, 'x'.repeat(MAX_KEPT_ANSWER_BYTES + 1));
    expect(table.size).toBe(1);
    expect(flow.sent).toHaveLength(2);
  });

  test('an answer is sent again as often as a client may ask, not without end', () => {
    const { flow, open } = setUp(UDP);
    const tx = open();
    tx?.respond(200, 'ok');
    for (let i = 0; i < 100; i++) tx?.retransmitted();
    expect(flow.sent).toHaveLength(1 + MAX_RESENDS);
  });

  test('what an app leaves behind', () => {
    const { table, open } = setUp(UDP);
    const other = {};
    const mine = open();
    open(undefined, other);
    open()?.respond(200, 'ok');
    expect(table.leftBy(APP)).toEqual([mine as NonNullable<typeof mine>]);
  });
});

describe('matching, RFC 3261 17.2.3', () => {
  const text = request('REGISTER', 'UDP 192.0.2.1:5070', { branch: 'z9hG4bKx', callId: '1' });
  const key = (changed: string) => transactionKey(incoming(changed), SOURCE);

  test('branch, sent-by and method count, and where it came from; nothing else', () => {
    expect(transactionKey(incoming(text), { ...SOURCE, port: 5061 })).not.toBe(key(text));
    expect(transactionKey(incoming(text), { ...SOURCE, address: '192.0.2.2' })).not.toBe(key(text));
    expect(key(text.replace('Call-ID: 1', 'Call-ID: 2'))).toBe(key(text));
    expect(key(text.replace('z9hG4bKx', 'z9hG4bKy'))).not.toBe(key(text));
    expect(key(text.replace(':5070', ':5071'))).not.toBe(key(text));
    expect(key(text.replaceAll('REGISTER', 'OPTIONS'))).not.toBe(key(text));
  });

  test('the magic cookie alone is no branch (RFC 4475 3.2.1)', () => {
    const bare = text.replace('z9hG4bKx', 'z9hG4bK');
    expect(key(bare.replace('Call-ID: 1', 'Call-ID: 2'))).not.toBe(key(bare));
  });

  test('without the magic cookie everything counts that a retransmission repeats (RFC 2543)', () => {
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

  test('without the magic cookie, what a proxy may add on the way counts for nothing', () => {
    const old = text.replace(';branch=z9hG4bKx', '');
    const routed = old.replace('Max-Forwards: 70', 'Via: SIP/2.0/UDP 192.0.2.3\r\nMax-Forwards: 69');
    expect(key(routed)).toBe(key(old));
  });
});

describe('merged requests, RFC 3261 8.2.2.2', () => {
  const text = request('REGISTER', 'UDP 192.0.2.1:5070', { branch: 'z9hG4bKx', callId: '1' });
  const copy = text.replace('z9hG4bKx', 'z9hG4bKy').replace('192.0.2.1', '192.0.2.9');
  const setUp = (first = text) => {
    const table = new ServerTransactions(clock, () => true);
    const message = incoming(first);
    const question = { headers: message.headers, sentBy: message.topVia, owner: {} };
    const tx = table.open(message, first.length, transactionKey(message, SOURCE), 'id', new Line(UDP, clock), question);
    return { table, tx };
  };

  test('From tag, Call-ID and CSeq make the copy, as long as the first one is remembered', () => {
    const { table, tx } = setUp();
    expect(table.isMerged(incoming(copy))).toBe(true);
    tx?.respond(200, 'ok');
    expect(table.isMerged(incoming(copy))).toBe(true);
    clock.advance(32_000);
    expect(table.isMerged(incoming(copy))).toBe(false);
  });

  test('the same request from another port is none: a NAT may have changed its mind', () => {
    const { table } = setUp();
    expect(table.isMerged(incoming(text))).toBe(false);
    expect(table.match(transactionKey(incoming(text), { ...SOURCE, port: 5061 }))).toBeUndefined();
  });

  test('whoever was refused may try another way', () => {
    const { table, tx } = setUp();
    tx?.respond(503, 'unavailable');
    expect(table.size).toBe(1);
    expect(table.isMerged(incoming(copy))).toBe(false);
  });

  test.each([
    ['another Call-ID', 'Call-ID: 1', 'Call-ID: 2'],
    ['another CSeq', 'CSeq: 1 ', 'CSeq: 2 '],
    ['another tag', 'test>;tag=1', 'test>;tag=2'],
    ['no tag', 'test>;tag=1', 'test>'],
    ['a tag in To', 'To: <sip:demo@sidecar.test>', 'To: <sip:demo@sidecar.test>;tag=x'],
    ['credentials, though it should have another CSeq', 'Max-Forwards', 'Authorization: Digest x=y\r\nMax-Forwards'],
  ])('%s makes none', (_what, from, to) => {
    const { table } = setUp();
    expect(copy).toContain(from);
    expect(table.isMerged(incoming(copy.replace(from, to)))).toBe(false);
  });

  test('of two that are remembered the later one counts', () => {
    const { table, tx } = setUp();
    const later = incoming(copy);
    const third = incoming(copy.replace('z9hG4bKy', 'z9hG4bKw'));
    table.open(later, copy.length, transactionKey(later, SOURCE), 'id-2', new Line(TCP, clock), {
      headers: later.headers,
      sentBy: later.topVia,
      owner: {},
    });
    tx?.respond(200, 'ok');
    clock.advance(31_999);
    expect(table.isMerged(third)).toBe(true);
    clock.advance(1);
    expect(table.size).toBe(0);
    expect(table.isMerged(third)).toBe(false);
  });
});

describe('client transaction, RFC 3261 17.1.2', () => {
  const setUp = (via: Transport) => {
    const flow = new Line(via, clock);
    const table = new ClientTransactions(clock);
    const happened: (number | string)[] = [];
    const message = incoming(request('OPTIONS', 'UDP 192.0.2.9', { branch: 'z9hG4bKc' }));
    table.send('id', message, 'request', flow, {
      response: ({ status }) => happened.push(status),
      failure: (status) => happened.push(`failure ${status} at ${clock.now()}`),
    });
    const answer = (status: number, branch = 'z9hG4bKc', method = 'OPTIONS') => {
      const text = request(method, 'UDP 192.0.2.9', { branch }).replace(/^.* SIP\/2.0/, `SIP/2.0 ${status} Whatever`);
      return table.receive(parseMessage(Buffer.from(text)) as SipResponse, flow, text.length);
    };
    return { flow, table, happened, answer };
  };

  test('Trying: timer E after 0.5, 1, 2, 4, 4 … s; timer F at 32 s makes it 408', () => {
    const { flow, table, happened } = setUp(UDP);
    clock.advance(40_000);
    expect(flow.times).toEqual([0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    expect(happened).toEqual(['failure 408 at 32000']);
    expect(table.size).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('Proceeding: timer E every 4 s, timer F still at 32 s', () => {
    const { flow, happened, answer } = setUp(UDP);
    clock.advance(600);
    answer(100);
    clock.advance(40_000);
    expect(flow.times).toEqual([0, 500, 1500, 5500, 9500, 13_500, 17_500, 21_500, 25_500, 29_500]);
    expect(happened).toEqual([100, 'failure 408 at 32000']);
  });

  test('Proceeding: further provisional responses are passed on too', () => {
    const { flow, happened, answer } = setUp(UDP);
    answer(100);
    answer(183);
    clock.advance(10_000);
    answer(183);
    answer(200);
    expect(happened).toEqual([100, 183, 183, 200]);
    // Timer E began with the request, and had T2 from Proceeding on.
    expect(flow.times).toEqual([0, 500, 4500, 8500]);
  });

  test('Completed: no more retransmissions, copies of the response are absorbed until timer K at 5 s', () => {
    const { flow, table, happened, answer } = setUp(UDP);
    clock.advance(600);
    answer(200);
    expect(answer(200)).toBe(true);
    clock.advance(4_999);
    expect(table.size).toBe(1);
    clock.advance(1);
    expect(table.size).toBe(0);
    expect(answer(200)).toBe(false);
    expect(happened).toEqual([200]);
    clock.advance(40_000);
    expect(flow.times).toEqual([0, 500]);
    expect(clock.pending).toBe(0);
  });

  test('a reliable transport: sent once, timer K is zero', () => {
    const { flow, table, happened, answer } = setUp(TCP);
    clock.advance(10_000);
    answer(401);
    expect(flow.times).toEqual([0]);
    expect(happened).toEqual([401]);
    expect(table.size).toBe(0);
  });

  test('a reliable transport without an answer: 408 at 32 s', () => {
    const { happened } = setUp(TCP);
    clock.advance(32_000);
    expect(happened).toEqual(['failure 408 at 32000']);
  });

  test('transport error: 503, once', () => {
    const { table, happened } = setUp(UDP);
    clock.advance(100);
    table.unreachable(TCP, '192.0.2.1', 5060);
    table.unreachable(UDP, '192.0.2.1', 5061);
    expect(happened).toEqual([]);
    table.unreachable(UDP, '192.0.2.1', 5060);
    table.unreachable(UDP, '192.0.2.1', 5060);
    expect(happened).toEqual(['failure 503 at 100']);
    clock.advance(40_000);
    expect(happened).toHaveLength(1);
  });

  test('transport error in Proceeding: 503, once, and nothing is sent any more', () => {
    const { flow, table, happened, answer } = setUp(UDP);
    answer(100);
    clock.advance(600);
    table.unreachable(UDP, '192.0.2.1', 5060);
    table.unreachable(UDP, '192.0.2.1', 5060);
    expect(happened).toEqual([100, 'failure 503 at 600']);
    expect(table.size).toBe(0);
    expect(answer(200)).toBe(false);
    clock.advance(40_000);
    expect(happened).toHaveLength(2);
    expect(flow.times).toEqual([0, 500]);
    expect(clock.pending).toBe(0);
  });

  test('the end of its connection in Proceeding: 503', () => {
    const { flow, table, happened, answer } = setUp(TCP);
    answer(100);
    table.ended(new Line(TCP, clock));
    expect(happened).toEqual([100]);
    table.ended(flow);
    expect(happened).toEqual([100, 'failure 503 at 0']);
    expect(table.size).toBe(0);
  });

  test('a flow that has ended: 503, but never before the sender knows of the transaction', async () => {
    const flow = new Line(TCP, clock);
    flow.broken = true;
    const table = new ClientTransactions(clock);
    const failed = Promise.withResolvers<number>();
    let known = false;
    table.send('id', incoming(request('OPTIONS', 'TCP 192.0.2.9')), 'request', flow, {
      response: () => {},
      failure: (status) => (known ? failed.resolve(status) : failed.reject(new Error('too early'))),
    });
    known = true;
    expect(await failed.promise).toBe(503);
  });

  test('branch and method of CSeq must match (17.1.3)', () => {
    const { happened, answer } = setUp(UDP);
    expect(answer(200, 'z9hG4bKother')).toBe(false);
    expect(answer(200, 'z9hG4bKc', 'REGISTER')).toBe(false);
    expect(happened).toEqual([]);
  });

  test('a full table says so', () => {
    const table = new ClientTransactions(clock, 1);
    expect(table.full).toBe(false);
    const user = { response: () => {}, failure: () => {} };
    table.send('id', incoming(request('OPTIONS', 'UDP 192.0.2.9')), 'request', new Line(UDP, clock), user);
    expect(table.full).toBe(true);
  });
});
