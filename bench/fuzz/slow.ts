import { UPGRADE } from '../../test/edge/ws-peer.ts';
import { Phone } from '../edge/phone.ts';
import { Latency } from '../register/counts.ts';
import { handles, rssMb } from '../soak/samples.ts';

/** Connections begun at a time: as many as the backlog of a listening socket takes. */
const AT_A_TIME = 400;
/** Every connection gets another byte this often: never enough to end a message in time. */
const TRICKLE_MS = 2000;
/** The edge gives a half message 10 s; so much later all must be gone, on a busy machine. */
const GONE_MS = 40_000;

const MESSAGE = Buffer.from(
  `REGISTER sip:sidecar.test SIP/2.0\r\nVia: SIP/2.0/TCP a.invalid;branch=z9hG4bKslow\r\nX: ${'x'.repeat(400)}`,
);
const UPGRADING = Buffer.from(`${UPGRADE.join('\r\n')}\r\nX: ${'x'.repeat(400)}`);

export interface SlowResult {
  readonly asked: number;
  /** Connections that were open at the same time, and the handles of the server then. */
  readonly open: number;
  readonly handles: number;
  /** Memory of the server at that time. */
  readonly rssMb: number;
  /** From the first connection to the end of the last, seconds. */
  readonly goneAfterS: number;
  /** Registrations of a phone over UDP meanwhile, all answered, and how long they took. */
  readonly registrations: number;
  readonly p50Ms: number;
  readonly maxMs: number;
}

interface Slow {
  /** How much of it has been sent. */
  at: number;
  readonly bytes: Buffer;
  readonly socket: { write(bytes: Buffer): number; end(): void };
}

/**
 * Opens connections that say half a message, a byte now and then, until the server has closed them all; meanwhile a
 * phone registers over UDP, and afterwards one over TCP.
 * @throws when the phone is not served, or the connections stay
 */
export async function slowConnections(
  server: { readonly pid: number; readonly ports: { readonly udp: number; readonly tcp: number; readonly ws: number } },
  count: number,
): Promise<SlowResult> {
  const { pid, ports } = server;
  const open = new Set<Slow>();
  const began = performance.now();
  let most = 0;
  let mostHandles = 0;
  let mostMb = 0;
  const observe = () => {
    if (open.size < most) return;
    most = open.size;
    mostHandles = handles(pid);
    mostMb = rssMb(pid);
  };
  const trickle = setInterval(() => {
    for (const slow of open) {
      slow.socket.write(slow.bytes.subarray(slow.at, slow.at + 1));
      slow.at = Math.min(slow.at + 1, slow.bytes.length - 1);
    }
    observe();
  }, TRICKLE_MS);
  const phone = await Phone.open('udp', ports.udp, 3);
  const latency = new Latency();
  let registrations = 0;
  const register = async () => {
    const sentAt = performance.now();
    await phone.register();
    latency.add(performance.now() - sentAt);
    registrations++;
  };
  try {
    for (let begun = 0; begun < count; begun += AT_A_TIME) {
      const some = Array.from({ length: Math.min(AT_A_TIME, count - begun) }, (_, i) =>
        openSlow(i % 2 === 0 ? { port: ports.tcp, bytes: MESSAGE } : { port: ports.ws, bytes: UPGRADING }, open),
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
    const late = await Phone.open('tcp', ports.tcp, 4);
    await late.register();
    late.close();
    return {
      ...{ asked: count, open: most, handles: mostHandles, rssMb: mostMb, goneAfterS, registrations },
      p50Ms: latency.percentile(0.5),
      maxMs: latency.percentile(1),
    };
  } finally {
    clearInterval(trickle);
    phone.close();
    for (const { socket } of open) socket.end();
  }
}

/** Resolves when it is open; one that is refused or closed at once is none. */
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
    slow = { at: half, bytes, socket };
    if (closed) return;
    open.add(slow);
    socket.write(bytes.subarray(0, half));
  } catch {
    // Refused: over a bound, or out of files. What is open is counted.
  }
}
