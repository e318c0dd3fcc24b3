import type { Timers } from '../../lib/timers.ts';
import type { ParsedResponse } from '../../sip/message.ts';
import { branchOf } from '../../sip/via.ts';
import { DelayQueue } from '../delay-queue.ts';
import { MAX_CLIENT_TRANSACTIONS } from '../limits.ts';
import type { Flow, Transport } from '../transports/transport.ts';
import { type ClientContext, ClientTransaction, type ClientUser } from './client.ts';
import { RETRANSMIT_MS, T4, TRANSACTION_MS } from './timer-values.ts';

/** A request, and the branch and method that match its response (RFC 3261 17.1.3). */
export interface ClientRequest {
  readonly branch: string;
  readonly method: string;
  readonly wire: string;
}

/** The client transactions: requests of ours without a final response, or with timer K running. */
export class ClientTransactions {
  readonly #byKey = new Map<string, ClientTransaction>();
  readonly #byConnection = new Map<Flow, Set<ClientTransaction>>();
  readonly #context: ClientContext;

  constructor(
    timers: Timers,
    private readonly limit = MAX_CLIENT_TRANSACTIONS,
  ) {
    this.#context = {
      timerE: RETRANSMIT_MS.map((ms) => new DelayQueue(ms, timers, (tx: ClientTransaction) => tx.expire('timer E'))),
      timerF: new DelayQueue(TRANSACTION_MS, timers, (tx) => tx.expire('timer F')),
      timerK: new DelayQueue(T4, timers, (tx) => tx.expire('timer K')),
      moved: (tx, from) => {
        this.#leave(tx, from);
        this.#join(tx);
      },
      terminated: (tx) => {
        this.#byKey.delete(tx.key);
        this.#leave(tx, tx.flow);
      },
    };
  }

  get size(): number {
    return this.#byKey.size;
  }

  get full(): boolean {
    return this.#byKey.size >= this.limit;
  }

  /**
   * Sends the request; calls `user` only after this returns.
   * @param newFlow replaces, once, a flow that has ended before any response
   */
  send(
    { branch, method, wire }: ClientRequest,
    flow: Flow,
    user: ClientUser,
    newFlow?: () => Flow | undefined,
  ): ClientTransaction {
    const key = responseKey(branch, method);
    const tx = new ClientTransaction(key, wire, flow, user, this.#context, newFlow);
    this.#byKey.set(key, tx);
    this.#join(tx);
    tx.start();
    return tx;
  }

  /** Hands a response to its transaction; false if there is none. */
  receive(response: ParsedResponse, flow: Flow, bytes: number): boolean {
    const tx = this.#byKey.get(responseKey(branchOf(response.topVia), response.cseq.method));
    tx?.receive(response, flow, bytes);
    return tx !== undefined;
  }

  /** A connection has ended: fails its pending requests. */
  ended(flow: Flow): void {
    for (const tx of [...(this.#byConnection.get(flow) ?? [])]) tx.transportFailed(flow.why);
  }

  /** Fails the pending requests to that address. */
  unreachable(transport: Transport, address: string, port: number, why: string): void {
    const isMeant = ({ flow }: ClientTransaction) =>
      flow.transport === transport && flow.address === address && flow.port === port;
    for (const tx of [...this.#byKey.values()].filter(isMeant)) tx.transportFailed(why);
  }

  /** The destinations of a transport's pending requests, each once. */
  destinations(transport: Transport): Flow[] {
    const flows = new Map<string, Flow>();
    for (const { waiting, flow } of this.#byKey.values())
      if (waiting && flow.transport === transport) flows.set(`${flow.address} ${flow.port}`, flow);
    return [...flows.values()];
  }

  /** Fails every pending request and forgets the rest. */
  failAll(why: string): void {
    for (const tx of [...this.#byKey.values()]) tx.transportFailed(why);
    for (const queue of [...this.#context.timerE, this.#context.timerF, this.#context.timerK]) queue.clear();
    this.#byKey.clear();
    this.#byConnection.clear();
  }

  #join(tx: ClientTransaction): void {
    if (!tx.flow.transport.reliable) return;
    const others = this.#byConnection.get(tx.flow) ?? new Set();
    this.#byConnection.set(tx.flow, others.add(tx));
  }

  #leave(tx: ClientTransaction, flow: Flow): void {
    const others = this.#byConnection.get(flow);
    if (others?.delete(tx) && others.size === 0) this.#byConnection.delete(flow);
  }
}

function responseKey(branch: string, method: string): string {
  return `${branch} ${method}`;
}
