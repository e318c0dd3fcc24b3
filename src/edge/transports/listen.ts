import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { bracketed, isLoopback } from '../../sip/ip.ts';
import type { OutboundTransport } from '../../sip/next-hop.ts';
import { UDP_RECEIVE_BUFFER_BYTES } from '../limits.ts';
import type { Certificates, TlsOptions } from './certificates.ts';
import { tcpSockets, tlsSockets } from './sockets.ts';
import { type StreamContext, type StreamKind, StreamTransport } from './stream.ts';
import { TCP, TLS } from './tcp.ts';
import { formatListener, type Protocol, type Transport } from './transport.ts';
import { listenUdp } from './udp.ts';
import { WS, WSS } from './websocket.ts';

/** One address to listen on; port 0 picks a free one. */
export interface Listener {
  readonly proto: Protocol;
  /** An IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface ListenOptions {
  readonly listen: readonly Listener[];
  /** Announced instead of the bound addresses. */
  readonly externalIp?: string;
  readonly tls?: TlsOptions;
  /** Replaces that of limits.ts. */
  readonly udpReceiveBufferBytes?: number;
  /** Other edges of the same user may listen on the same addresses (SO_REUSEPORT): Linux spreads phones over them. */
  readonly sharePorts?: boolean;
}

const STREAMS: Readonly<Record<Exclude<Protocol, 'udp'>, StreamKind>> = { tcp: TCP, tls: TLS, ws: WS, wss: WSS };

export class Transports {
  private constructor(
    private readonly listening: readonly Transport[],
    /** Those that send requests of ours. */
    private readonly requesting: readonly Transport[],
    private readonly externalIp: string | undefined,
  ) {}

  /** Listens on all addresses, or on none. @throws ListenError */
  static async listen(
    { listen, externalIp, udpReceiveBufferBytes = UDP_RECEIVE_BUFFER_BYTES, sharePorts = false }: ListenOptions,
    certificates: Certificates | undefined,
    context: StreamContext,
  ): Promise<Transports> {
    const listening: Transport[] = [];
    const requesting: Transport[] = [];
    try {
      for (const { proto, host, port } of listen) {
        const udp = (port: number, shared: boolean) =>
          listenUdp(host, port, context.events, udpReceiveBufferBytes, shared);
        const listener =
          proto === 'udp'
            ? await udp(port, sharePorts)
            : await listenStream(STREAMS[proto], host, port, certificates, context, sharePorts);
        listening.push(listener);
        // On a shared port the kernel may hand a response to a process that did not send the request.
        requesting.push(proto === 'udp' && sharePorts ? await udp(0, false) : listener);
      }
    } catch (error) {
      await closeAll([...listening, ...requesting]);
      throw error;
    }
    return new Transports(listening, requesting, externalIp);
  }

  connected(address: string, port: number): boolean {
    return this.listening.some((transport) => transport.connectedTo(address, port));
  }

  get hostports(): string {
    return listeners(this.listening, (transport, peer) => this.#announced(transport, peer));
  }

  get localHostports(): string {
    return listeners(this.listening, localAddress);
  }

  /**
   * The transport of a protocol that sends requests of ours to an address: one with a connection to it, else one of its family, on
   * loopback for loopback.
   */
  towards(protocol: OutboundTransport, address: string, port?: number): Transport | undefined {
    const fitting = this.requesting.filter((t) => t.protocol === protocol && reaches(t, address));
    return (
      fitting.find((t) => t.connectedTo(address, port ?? t.defaultPort)) ??
      fitting.find((t) => isLoopback(localAddress(t, address)) === isLoopback(address)) ??
      fitting[0]
    );
  }

  /** The edge's address towards a peer, IPv6 in brackets, and its port if it is not the default. */
  sentBy(transport: Transport, peer: string): { host: string; port?: number } {
    const host = bracketed(this.#announced(transport, peer));
    return { host, ...(transport.port !== transport.defaultPort && { port: transport.port }) };
  }

  disconnect(network: string): void {
    for (const transport of this.listening) transport.disconnect(network);
  }

  stopReading(): void {
    for (const transport of [...this.listening, ...this.requesting]) transport.stopReading();
  }

  async close(): Promise<void> {
    await closeAll([...this.listening, ...this.requesting]);
  }

  #announced(transport: Transport, peer?: string): string {
    const local = localAddress(transport, peer);
    return this.externalIp !== undefined && isIP(this.externalIp) === isIP(local) ? this.externalIp : local;
  }
}

async function closeAll(transports: readonly Transport[]): Promise<void> {
  await Promise.all([...new Set(transports)].map((transport) => transport.close()));
}

async function listenStream(
  kind: StreamKind,
  host: string,
  port: number,
  certificates: Certificates | undefined,
  context: StreamContext,
  shared: boolean,
): Promise<Transport> {
  const secure = kind.baseProtocol === 'tls' && certificates;
  const transport = new StreamTransport(kind, secure ? tlsSockets(certificates) : tcpSockets, context);
  await transport.listen(host, port, shared);
  return transport;
}

/**
 * The bound address; for a wildcard the machine's first outside address of the peer's family.
 * @param peer IPv6 without brackets; `::` accepts IPv4 too
 */
export function localAddress(transport: Transport, peer = transport.address): string {
  const { address } = transport;
  if (address !== '0.0.0.0' && address !== '::') return address;
  const family = address === '0.0.0.0' || isIP(peer) === 4 ? 'IPv4' : 'IPv6';
  const known = localAddresses.get(transport) ?? {};
  localAddresses.set(transport, known);
  known[family] ??= machineAddress(family);
  return known[family];
}

/** `::` accepts both families, and is listed with the address of each that the machine has beyond loopback. */
function listeners(all: readonly Transport[], addressTowards: (transport: Transport, peer: string) => string): string {
  const addressesOf = (transport: Transport) => {
    if (transport.address !== '::') return [addressTowards(transport, transport.address)];
    const both = ['::', '0.0.0.0'].map((peer) => addressTowards(transport, peer));
    const outside = both.filter((address) => !isLoopback(address));
    return outside.length > 0 ? outside : both;
  };
  return all.flatMap((t) => addressesOf(t).map((address) => formatListener(t.protocol, address, t.port))).join();
}

/** A cache, because listing the interfaces takes longer than all other work for a request. */
const localAddresses = new WeakMap<Transport, { IPv4?: string; IPv6?: string }>();

function machineAddress(family: 'IPv4' | 'IPv6'): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outside = addresses.find((a) => a.family === family && !a.internal && !a.address.startsWith('fe80:'));
  return outside?.address ?? (family === 'IPv6' ? '::1' : '127.0.0.1');
}

function reaches({ address }: Transport, target: string): boolean {
  return address === '::' || isIP(address) === isIP(target);
}
