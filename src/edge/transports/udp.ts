import { MalformedMessage, type Wire } from '../../sip/message.ts';
import { isFiller, parseMessage } from '../../sip/parse-message.ts';
import { Batch } from '../tick.ts';
import { askForReceiveBuffer } from './receive-buffer.ts';
import { SendQueue } from './send-queue.ts';
import { type Flow, ListenError, plainAddress, type Transport, type TransportEvents } from './transport.ts';

/** RFC 3261 18.3. @param shared see {@link ListenOptions.sharePorts} @throws ListenError */
export async function listenUdp(
  host: string,
  port: number,
  events: TransportEvents,
  receiveBufferBytes: number,
  shared: boolean,
): Promise<Transport> {
  const transport = new UdpTransport(events, receiveBufferBytes);
  await transport.listen(host, port, shared);
  return transport;
}

/** LIBUS_LISTEN_REUSE_PORT, as node:dgram gives it to Bun.udpSocket. Not in Bun's type declarations. */
const REUSE_PORT = 4;

/** The options of a socket whose port is free, or shared with other sockets like it. */
export function bindTo(hostname: string, port: number, shared: boolean): { hostname: string; port: number } {
  const where = { hostname, port };
  return shared ? Object.assign(where, { flags: REUSE_PORT }) : where;
}

/** By the first bytes of the status line, `SIP/`: a method has no slash. */
function isResponse(data: Buffer): boolean {
  return data[0] === 0x53 && data[1] === 0x49 && data[2] === 0x50 && data[3] === 0x2f;
}

class UdpTransport implements Transport {
  readonly protocol = 'udp';
  readonly baseProtocol = 'udp';
  readonly viaProtocol = 'UDP';
  readonly defaultPort = 5060;
  readonly reliable = false;
  #socket: Bun.udp.Socket<'buffer'> | undefined;
  readonly #queue = new SendQueue({
    refused: () => this.events.refused(this),
    unreachable: (address, port, why) => this.events.unreachable(this, address, port, why),
    dropped: () => this.events.dropped(undefined, 'socket buffer full', 'socket buffer full'),
  });
  #reading = true;
  readonly #batch = new Batch<UdpDatagram>((datagrams) => {
    for (const { data, flow } of datagrams) this.#queue.add(data, flow.sendPort, flow.address);
    this.#flush();
  });

  constructor(
    private readonly events: TransportEvents,
    private readonly receiveBufferBytes: number,
  ) {}

  async listen(host: string, port: number, shared: boolean): Promise<void> {
    try {
      this.#socket = await Bun.udpSocket({
        ...bindTo(host, port, shared),
        socket: {
          data: (_socket, data, fromPort, from, { truncated }) => {
            if (!this.#reading) return;
            const address = plainAddress(from);
            // A response must match a request of ours. It may come from a carrier whose address is forged.
            if (!isResponse(data) && this.events.isBanned(address)) return;
            try {
              this.#receive(data, address, fromPort, truncated);
            } catch (error) {
              // Bun would report an error thrown here as an ICMP error.
              this.events.fault(new UdpFlow(this, address, fromPort), error);
            }
          },
          drain: () => this.#flush(),
          error: () => this.events.refused(this),
        },
      });
      this.#enlargeReceiveBuffer(this.#socket);
    } catch (error) {
      throw new ListenError('udp', host, port, (error as { code?: string }).code ?? String(error));
    }
  }

  #enlargeReceiveBuffer(socket: object): void {
    // Not in Bun's type declarations.
    if (!('fd' in socket) || typeof socket.fd !== 'number') return;
    const asked = this.receiveBufferBytes;
    const granted = askForReceiveBuffer(socket.fd, asked);
    if (granted !== undefined && granted < asked) this.events.smallReceiveBuffer(granted, asked);
  }

  get address(): string {
    return this.#socket?.address.address ?? '';
  }

  get port(): number {
    return this.#socket?.address.port ?? 0;
  }

  connectedTo(): boolean {
    return false;
  }

  disconnect(): void {}

  flowTo(address: string, port: number): Flow {
    return new UdpFlow(this, address, port);
  }

  callBack(address: string, port: number): Flow {
    return this.flowTo(address, port);
  }

  send(data: Wire, flow: UdpFlow): boolean {
    if (!this.#socket) return false;
    this.#batch.add({ data, flow });
    return true;
  }

  stopReading(): void {
    this.#reading = false;
  }

  async close(): Promise<void> {
    this.#batch.flushNow();
    this.#flush();
    this.#socket?.close();
    this.#socket = undefined;
  }

  #receive(data: Buffer, address: string, port: number, truncated: boolean): void {
    const flow = new UdpFlow(this, address, port);
    if (truncated || port === 0) {
      this.events.dropped(flow, 'bad datagram', truncated ? 'truncated' : 'source port 0');
      return;
    }
    if (isFiller(data[0] ?? 0) && data.every(isFiller)) return;
    try {
      this.events.message(parseMessage(data), flow, data.length);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.events.malformed(error, flow);
    }
  }

  #flush(): void {
    if (this.#socket) this.#queue.flush(this.#socket);
  }
}

interface UdpDatagram {
  readonly data: Wire;
  readonly flow: UdpFlow;
}

class UdpFlow implements Flow {
  readonly established = false;
  readonly why = 'the socket is closed';

  constructor(
    readonly transport: UdpTransport,
    readonly address: string,
    readonly port: number,
    readonly sendPort = port,
  ) {}

  sendingTo(port: number): Flow {
    return new UdpFlow(this.transport, this.address, this.port, port);
  }

  send(message: Wire): boolean {
    return this.transport.send(message, this);
  }

  /** The socket buffer is the only bound. */
  hold(): void {}

  release(): void {}

  retire(): void {}
}
