import type { Source } from './phone.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** One UDP socket of the generator, connected to the target. */
export interface UdpSource extends Source {
  close(): void;
}

export interface SourceEvents {
  /** A datagram from the target. */
  onMessage(message: string): void;
  /** A packet that the kernel refused or that an ICMP error threw away; the request's retransmission makes up for it. */
  onLoss(): void;
}

/**
 * Opens sockets that look like that many phones to a registrar that tells its clients apart by source. Towards a
 * loopback target each has an address of its own (127.0.1.1, 127.0.1.2, …), towards any other a port of its own.
 */
export async function openSources(count: number, target: Target, events: SourceEvents): Promise<UdpSource[]> {
  const sources: UdpSource[] = [];
  try {
    for (let i = 0; i < count; i++) sources.push(await openSource(i, target, events));
  } catch (error) {
    for (const source of sources) source.close();
    throw error;
  }
  return sources;
}

async function openSource(index: number, target: Target, events: SourceEvents): Promise<UdpSource> {
  const loopback = target.host.startsWith('127.');
  const socket = await Bun.udpSocket({
    hostname: loopback ? loopbackAddress(index) : '0.0.0.0',
    port: 0,
    connect: { hostname: target.host, port: target.port },
    binaryType: 'buffer',
    socket: {
      data: (_socket, data) => events.onMessage(data.toString('latin1')),
      // Bun passes the error as the first argument, whatever its types say, and faults of `data` arrive here too.
      error: (...args: unknown[]) => {
        const error = args.find((arg) => arg instanceof Error);
        if (!isRefusal(error)) throw error ?? new Error('the UDP socket failed');
        events.onLoss();
      },
    },
  });
  const { address, port } = socket.address;
  return {
    address,
    port,
    send(message) {
      try {
        if (!socket.send(message)) events.onLoss();
      } catch (error) {
        if (!isRefusal(error)) throw error;
        // The refusal belongs to an earlier packet, but this one was not sent: once more, now that it has been reported.
        events.onLoss();
        sendAgain(() => socket.send(message), events);
      }
    },
    close: () => socket.close(),
  };
}

function sendAgain(send: () => boolean, events: SourceEvents): void {
  try {
    if (!send()) events.onLoss();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    events.onLoss();
  }
}

/** Nobody listens at the target, or did not a moment ago: an ICMP error, which a client over UDP has to live with. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
}

/** 127.0.1.1 to 127.0.1.254, then 127.0.2.1 and so on. */
function loopbackAddress(index: number): string {
  const perNet = 254;
  return `127.0.${1 + Math.floor(index / perNet)}.${1 + (index % perNet)}`;
}
