import type { Wire } from '../../sip/message.ts';
import { MAX_UNSENT_DATAGRAMS } from '../limits.ts';
import { reasonOf } from './reasons.ts';

/** Values per datagram in the list that `sendMany` takes: data, port, address. */
const VALUES = 3;

/**
 * Datagrams per call. A call converts all it is given, but ends at a datagram that an ICMP error has failed: with many
 * peers gone, each call sends one.
 */
const MAX_PER_CALL = 64;

/** Calls repeated because of ICMP errors, which fail an unrelated datagram. */
const MAX_REFUSALS = 3;

export interface DatagramSocket {
  /** Returns how many datagrams were sent; 0 when the buffer of the socket is full. */
  sendMany(datagrams: readonly (Wire | number | string)[]): number;
}

export interface SendQueueEvents {
  refused(): void;
  unreachable(address: string, port: number, why: string): void;
  dropped(): void;
}

/** Datagrams that wait for a UDP socket, in order. */
export class SendQueue {
  #values: (Wire | number | string)[] = [];

  constructor(private readonly events: SendQueueEvents) {}

  add(data: Wire, port: number, address: string): void {
    this.#values.push(data, port, address);
  }

  /** Sends datagrams until the buffer of the socket is full. Beyond a bound the oldest of the others are dropped. */
  flush(socket: DatagramSocket): void {
    let at = 0;
    let refusals = 0;
    while (at < this.#values.length) {
      let sent = 0;
      try {
        sent = socket.sendMany(this.#values.slice(at, at + MAX_PER_CALL * VALUES));
      } catch (error) {
        if ((error as { code?: string }).code === 'ECONNREFUSED' && refusals++ < MAX_REFUSALS) {
          this.events.refused();
          continue;
        }
        // No route, too long, not permitted: retrying the datagram is useless.
        const [, port, address] = this.#values.slice(at, at + VALUES);
        at += VALUES;
        this.events.unreachable(String(address), Number(port), reasonOf(error));
        continue;
      }
      if (sent === 0) break;
      at += sent * VALUES;
      refusals = 0;
    }
    const left = this.#values.length - at;
    const excess = Math.max(0, left - MAX_UNSENT_DATAGRAMS * VALUES);
    this.#values.splice(0, at + excess);
    if (excess > 0) this.events.dropped();
  }
}
