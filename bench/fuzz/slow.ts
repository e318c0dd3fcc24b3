import { UPGRADE } from '../../test/support/wire.ts';
import { Latency } from '../lib/latency.ts';
import { Phone } from '../lib/phone.ts';
import { handles, rssMb } from '../lib/proc.ts';
import { portOf, type Server } from '../lib/server.ts';

/** Connections opened at a time: the backlog of a listening socket. */
const BATCH = 400;
/** Interval between two bytes on a connection: too slow to complete a message. */
const TRICKLE_MS = 2000;
/** The edge closes a connection with a partial message after 10 s; this allows for a busy machine. */
const GONE_MS = 40_000;

const MESSAGE = Buffer.from(
  `REGISTER sip:sidecar.test SIP/2.0\r\nVia: SIP/2.0/TCP a.invalid;branch=z9hG4bKslow\r\nX: ${'x'.repeat(400)}`,
);
const UPGRADING = Buffer.from(`${UPGRADE.join('\r\n')}\r\nX: ${'x'.repeat(400)}`);

export interface SlowResult {
  readonly asked: number;
  /** The most connections open at the same time, and what the server used then. */
  readonly open: number;
  readonly handles: number;
  readonly rssMb: number;
  /** From the first connection to the end of the last, seconds. */
  readonly goneAfterS: number;
  readonly registrations: number;
  readonly p50Ms: number;
  readonly maxMs: number;
}

interface Slow {
  sent: number;
  readonly bytes: Buffer;
  readonly socket: { write(bytes: Buffer): number; end(): void };
}

/**
 * Opens connections that send a message byte by byte, until the server has closed them all; meanwhile a phone registers
 * over UDP, and afterwards one over TCP.
 * @throws when a phone is not served, or connections stay open
 */
export async function slowConnections(server: Server, count: number): Promise<SlowResult> {
  const [udp, tcp, ws] = [portOf(server, 'udp'), portOf(server, 'tcp'), portOf(server, 'ws')];
  const open = new Set<Slow>();
  const began = performance.now();
  let most = 0;
  let mostHandles = 0;
  let mostMb = 0;
  const observe = () => {
    if (open.size < most) return;
    most = open.size;
    mostHandles = handles(server);
    mostMb = rssMb(server);
  };
  const trickle = setInterval(() => {
    for (const slow of open) {
      slow.socket.write(slow.bytes.subarray(slow.sent, slow.sent + 1));
      slow.sent = Math.min(slow.sent + 1, slow.bytes.length - 1);
    }
    observe();
  }, TRICKLE_MS);
  const phone = await Phone.open('udp', udp, 3);
  const latency = new Latency();
  const register = async () => {
    const sentAt = performance.now();
    await phone.register();
    latency.add(performance.now() - sentAt);
  };
  try {
    for (let begun = 0; begun < count; begun += BATCH) {
      const some = Array.from({ length: Math.min(BATCH, count - begun) }, (_, i) =>
        openSlow(i % 2 === 0 ? { port: tcp, bytes: MESSAGE } : { port: ws, bytes: UPGRADING }, open),
      );
      await Promise.all([...some, register()]);
      observe();
    }
    const deadline = performance.now() + GONE_MS;
    while (open.size > 0) {
      if (performance.now() > deadline) throw new Error(`${open.size} slow connections are still open`);
      await register();
      await Bun.sleep(20);
    }
    const goneAfterS = (performance.now() - began) / 1000;
    const late = await Phone.open('tcp', tcp, 4);
    await late.register();
    late.close();
    return {
      asked: count,
      open: most,
      handles: mostHandles,
      rssMb: mostMb,
      goneAfterS,
      registrations: latency.count,
      p50Ms: latency.percentile(0.5),
      maxMs: latency.percentile(1),
    };
  } finally {
    clearInterval(trickle);
    phone.close();
    for (const { socket } of open) socket.end();
  }
}

async function openSlow({ port, bytes }: { port: number; bytes: Buffer }, open: Set<Slow>): Promise<void> {
  let slow: Slow | undefined;
  let closed = false;
  const forget = () => {
    closed = true;
    if (slow) open.delete(slow);
  };
  try {
    const socket = await Bun.connect({
      hostname: '127.0.0.1',
      port,
      socket: { open: () => {}, data: () => {}, error: () => {}, close: forget },
    });
    const half = bytes.length >> 2;
    slow = { sent: half, bytes, socket };
    if (closed) return;
    open.add(slow);
    socket.write(bytes.subarray(0, half));
  } catch {
    // Refused by a limit.
  }
}
