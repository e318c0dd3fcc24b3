import { within } from '../../test/support/deadline.ts';
import { Latency } from '../lib/latency.ts';
import { Phone } from '../lib/phone.ts';
import { requestText } from '../lib/request.ts';
import { portOf, type Server } from '../lib/server.ts';
import { REALM } from '../lib/sidecar.ts';

const BATCH = 50;
const BEGUN_MS = 10_000;

export interface FloodResult {
  readonly connections: number;
  readonly answers: number;
  readonly registrations: number;
  readonly p50Ms: number;
  readonly maxMs: number;
}

/**
 * Sends OPTIONS over many connections, as fast as the server reads, while two phones register again and again.
 * @throws when a phone is not served
 */
export async function flood(server: Server, connections: number, seconds: number): Promise<FloodResult> {
  const tcp = portOf(server, 'tcp');
  let answers = 0;
  const begun = Promise.withResolvers<void>();
  const sockets = await Promise.all(
    Array.from({ length: connections }, (_, i) =>
      connect(tcp, i, (count) => {
        answers += count;
        begun.resolve();
      }),
    ),
  );
  const latency = new Latency();
  const phones = await Promise.all([Phone.open('udp', portOf(server, 'udp'), 6), Phone.open('tcp', tcp, 7)]);
  try {
    await within(begun.promise, BEGUN_MS, 'first answer to a flood');
    const until = performance.now() + seconds * 1000;
    await Promise.all(
      phones.map(async (phone) => {
        while (performance.now() < until) {
          const sentAt = performance.now();
          await phone.register();
          latency.add(performance.now() - sentAt);
        }
      }),
    );
  } finally {
    for (const phone of phones) phone.close();
    // After end() the requests in the kernel's buffers would keep the server busy for minutes.
    for (const socket of sockets) socket.terminate();
  }
  return {
    connections,
    answers,
    registrations: latency.count,
    p50Ms: latency.percentile(0.5),
    maxMs: latency.percentile(1),
  };
}

function connect(port: number, number: number, answered: (count: number) => void) {
  let asked = 0;
  let unsent = Buffer.alloc(0);
  const write = (socket: { write(bytes: Buffer): number }) => {
    for (;;) {
      if (unsent.length === 0) unsent = Buffer.from(Array.from({ length: BATCH }, () => ask(number, ++asked)).join(''));
      const written = socket.write(unsent);
      if (written <= 0) return;
      unsent = unsent.subarray(written);
      if (unsent.length > 0) return;
    }
  };
  const data = (_: unknown, bytes: Buffer) => answered(bytes.toString('latin1').split('SIP/2.0 200 ').length - 1);
  return Bun.connect({
    hostname: '127.0.0.1',
    port,
    socket: { open: write, drain: write, data, error: () => {}, close: () => {} },
  });
}

/** Every request has a branch of its own: none is a retransmission. */
function ask(connection: number, number: number): string {
  const name = `${connection}-${number}`;
  return requestText({
    method: 'OPTIONS',
    realm: REALM,
    aor: `<sip:${REALM}>`,
    tag: name,
    via: 'TCP flood.invalid',
    branch: name,
    callId: name,
    cseq: 1,
  });
}
