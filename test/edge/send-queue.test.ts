import { describe, expect, test } from 'bun:test';
import { MAX_UNSENT_DATAGRAMS } from '../../src/edge/limits.ts';
import { type DatagramSocket, SendQueue } from '../../src/edge/transports/send-queue.ts';

const PORT = 5060;
const REFUSED = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
const NO_ROUTE = Object.assign(new Error('no route'), { code: 'ENETUNREACH' });

/** A socket that sends as many datagrams of each call as `accepts` says, and counts what it is given. */
class ScriptedSocket implements DatagramSocket {
  readonly sent: unknown[] = [];
  given = 0;

  constructor(private readonly accepts: (given: number) => number) {}

  sendMany(values: readonly unknown[]): number {
    this.given += values.length / 3;
    const sent = this.accepts(values.length / 3);
    for (let i = 0; i < sent; i++) this.sent.push(values[i * 3]);
    return sent;
  }
}

function queueOf(count: number) {
  const events: string[] = [];
  const queue = new SendQueue({
    refused: () => events.push('refused'),
    unreachable: (address, port) => events.push(`${address}:${port} unreachable`),
    dropped: () => events.push('dropped'),
  });
  const names = Array.from({ length: count }, (_, i) => `datagram ${i}`);
  for (const [i, name] of names.entries()) queue.add(name, PORT, `192.0.2.${i % 250}`);
  return { queue, names, events };
}

describe('the queue of a UDP socket', () => {
  test('sends in order, and nothing twice', () => {
    const { queue, names } = queueOf(1000);
    const socket = new ScriptedSocket((given) => Math.ceil(given / 2));
    queue.flush(socket);
    queue.flush(socket);
    expect(socket.sent).toEqual(names);
  });

  test('hands over a bounded number of datagrams for each one sent, when ICMP errors end each call after one', () => {
    const { queue, names } = queueOf(4000);
    const socket = new ScriptedSocket(() => 1);
    queue.flush(socket);
    expect(socket.sent).toEqual(names);
    expect(socket.given).toBeLessThanOrEqual(64 * names.length);
  });

  test('keeps the rest when the socket is full, up to a bound, and drops the oldest', () => {
    const { queue, names, events } = queueOf(MAX_UNSENT_DATAGRAMS + 10);
    queue.flush(new ScriptedSocket(() => 0));
    expect(events).toEqual(['dropped']);
    const socket = new ScriptedSocket((given) => given);
    queue.flush(socket);
    expect(socket.sent).toEqual(names.slice(10));
  });

  test('drops a datagram without a route alone', () => {
    const { queue, names, events } = queueOf(3);
    let calls = 0;
    const socket = new ScriptedSocket((given) => {
      if (++calls === 1) throw NO_ROUTE;
      return given;
    });
    queue.flush(socket);
    expect(events).toEqual([`192.0.2.0:${PORT} unreachable`]);
    expect(socket.sent).toEqual(names.slice(1));
  });

  test('sends a datagram again that failed by an ICMP error of another peer', () => {
    const { queue, names, events } = queueOf(2);
    let calls = 0;
    const socket = new ScriptedSocket((given) => {
      if (++calls === 1) throw REFUSED;
      return given;
    });
    queue.flush(socket);
    expect(events).toEqual(['refused']);
    expect(socket.sent).toEqual(names);
  });
});
