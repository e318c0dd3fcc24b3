import { ExpiringSet } from '../lib/expiring-set.ts';
import type { Timers } from '../lib/timers.ts';
import { MAX_PEERS_WITHOUT_TCP } from './limits.ts';
import { LongRequest } from './long-request.ts';
import type { PreparedRequest } from './outbound.ts';
import type { ClientTransaction, ClientUser } from './transactions/client.ts';
import type { ClientTransactions } from './transactions/client-table.ts';
import { isRefused } from './transports/probe.ts';
import type { Transport } from './transports/transport.ts';

/** Time for which a peer without TCP gets long requests by UDP at once, ms: a few refreshes. */
export const WITHOUT_TCP_MS = 3_600_000;

/** Ports probed at a time; others wait for the next ICMP error or timer F. */
const MAX_PROBES = 16;

/** Sends requests of ours, over the connections that there are, and tries another way where RFC 3261 has one. */
export class RequestSender {
  readonly #withoutTcp: ExpiringSet;
  readonly #probing = new Set<Transport>();
  #closed = false;

  constructor(
    private readonly client: ClientTransactions,
    private readonly timers: Timers,
  ) {
    this.#withoutTcp = new ExpiringSet(MAX_PEERS_WITHOUT_TCP, WITHOUT_TCP_MS, timers);
  }

  /** Calls the user after this returns. @param withinMs after which the user takes no response */
  send(request: PreparedRequest, user: ClientUser, withinMs: number): void {
    const { byUdp, address, port } = request;
    if (!byUdp) {
      this.#begin(request, user);
      return;
    }
    const peer = `${address} ${port}`;
    if (this.#withoutTcp.has(peer)) {
      this.#begin(byUdp, {
        response: (response, flow, bytes) => user.response(response, flow, bytes),
        failure: (status, why) => {
          // A datagram of this length may have been lost on the way.
          this.#withoutTcp.delete(peer);
          user.failure(status, why);
        },
      });
      return;
    }
    const long = new LongRequest(this.timers, user, {
      byTcp: (tcpUser) => this.#begin(request, tcpUser),
      byUdp: (udpUser) => (this.#closed ? undefined : this.#begin(byUdp, udpUser)),
      onlyByUdp: () => this.#withoutTcp.add(peer),
    });
    long.start(withinMs);
  }

  /** Fails the requests whose ports are closed: probes all that have not responded, because an ICMP error names none. */
  async probe(transport: Transport): Promise<void> {
    if (this.#probing.has(transport)) return;
    this.#probing.add(transport);
    const suspects = this.client.destinations(transport).slice(0, MAX_PROBES);
    await Promise.all(
      suspects.map(async ({ address, port }) => {
        if (await isRefused(address, port)) this.client.unreachable(transport, address, port, 'port unreachable');
      }),
    );
    this.#probing.delete(transport);
  }

  /** Fails every request of ours. */
  close(): void {
    this.#closed = true;
    this.client.failAll('we are stopping');
  }

  /**
   * Over a connection that was open before, the request is sent once more on another one if it ends before any response:
   * the peer may have closed it, or restarted, while the request was on its way. It stays the same transaction, so that
   * a peer which has the request takes the second for a retransmission.
   */
  #begin(request: PreparedRequest, user: ClientUser): ClientTransaction {
    const { transport, address, port, names } = request;
    const flow = transport.flowTo(address, port, names);
    const newFlow = () => (this.#closed ? undefined : transport.flowTo(address, port, names));
    return this.client.send(request, flow, user, flow.established ? newFlow : undefined);
  }
}
