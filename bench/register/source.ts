import type { Source } from './user-agent.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
}

export interface UdpSource extends Source {
  close(): void;
}

export interface SourceEvents {
  onMessage(message: string): void;
  /** The kernel refused a packet, or an ICMP error discarded it; its request is retransmitted. */
  onLoss(): void;
}

/**
 * Opens sockets that a registrar sees as separate sources. Towards a loopback target each has an address of its own
 * (127.0.1.1, 127.0.1.2, …), towards any other a port of its own.
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
      // Bun passes the error as the first argument, unlike its types say; errors thrown by `data` arrive here too.
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
        // The ICMP error was for an earlier packet, but made this send fail.
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

/** An ICMP error: nothing listens at the target, or did not when an earlier packet arrived. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
}

function loopbackAddress(index: number): string {
  const perNet = 254;
  return `127.0.${1 + Math.floor(index / perNet)}.${1 + (index % perNet)}`;
}
