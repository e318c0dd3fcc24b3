import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../clock.ts';
import { isLoopback } from './connections.ts';
import { listenTcp } from './tcp.ts';
import { bracketed, formatListener, type Protocol, type Transport, type TransportEvents } from './transport.ts';
import { listenUdp } from './udp.ts';

/** One address to listen on; port 0 picks a free one. */
export interface Listener {
  readonly proto: Protocol;
  /** An IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

type Listen = (host: string, port: number, events: TransportEvents, clock: Clock) => Promise<Transport>;

/** A further transport is one more file and one more line here. */
const LISTEN: Readonly<Record<Protocol, Listen>> = { udp: listenUdp, tcp: listenTcp };

/** The transports of an edge, and which of them leads where. */
export class Transports {
  private constructor(
    private readonly all: readonly Transport[],
    private readonly externalIp: string | undefined,
  ) {}

  /** Listens on all addresses, or on none. @throws ListenError */
  static async listen(
    listeners: readonly Listener[],
    externalIp: string | undefined,
    events: TransportEvents,
    clock: Clock,
  ): Promise<Transports> {
    const all: Transport[] = [];
    try {
      for (const { proto, host, port } of listeners) all.push(await LISTEN[proto](host, port, events, clock));
    } catch (error) {
      await Promise.all(all.map((transport) => transport.close()));
      throw error;
    }
    return new Transports(all, externalIp);
  }

  /** Where the outside finds the edge. */
  get hostports(): string {
    return this.all.map((t) => formatListener(t.protocol, this.#announced(t), t.port)).join();
  }

  get localHostports(): string {
    return this.all.map((t) => formatListener(t.protocol, localAddress(t), t.port)).join();
  }

  /** The transport of a protocol that reaches an address: of its family, on loopback for loopback. */
  towards(protocol: string, address: string): Transport | undefined {
    const fitting = this.all.filter((t) => t.protocol === protocol && reaches(t, address));
    return fitting.find((t) => isLoopback(localAddress(t)) === isLoopback(address)) ?? fitting[0];
  }

  /** The edge's own address, as URIs and Via write it, and its port unless that goes without saying. */
  sentBy(transport: Transport): { host: string; port?: number } {
    const host = bracketed(this.#announced(transport));
    return { host, ...(transport.port !== transport.defaultPort && { port: transport.port }) };
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((transport) => transport.close()));
  }

  #announced(transport: Transport): string {
    const local = localAddress(transport);
    return this.externalIp !== undefined && isIP(this.externalIp) === isIP(local) ? this.externalIp : local;
  }
}

/** The address that was bound; for a wildcard the one that the machine had first, beyond loopback, when it was. */
export function localAddress(transport: Transport): string {
  const known = localAddresses.get(transport);
  if (known !== undefined) return known;
  const { address } = transport;
  const local = address === '0.0.0.0' || address === '::' ? machineAddress(address) : address;
  localAddresses.set(transport, local);
  return local;
}

/** Asking for the interfaces of the machine takes longer than all else that a request needs. */
const localAddresses = new WeakMap<Transport, string>();

function machineAddress(wildcard: '0.0.0.0' | '::'): string {
  const family = wildcard === '::' ? 'IPv6' : 'IPv4';
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outside = addresses.find((a) => a.family === family && !a.internal && !a.address.startsWith('fe80:'));
  return outside?.address ?? (family === 'IPv6' ? '::1' : '127.0.0.1');
}

function reaches({ address }: Transport, target: string): boolean {
  return address === '::' || isIP(address) === isIP(target);
}
