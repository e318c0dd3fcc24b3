import { traceOf } from '../lib/logger.ts';
import { systemTimers } from '../lib/timers.ts';
import { Unavailable } from '../ports/errors.ts';
import type {
  ClientConnections,
  ConnectionPeer,
  OutboundRequest,
  Screen,
  SipAnswer,
  SipHandler,
  SipServer,
} from '../ports/sip-server.ts';
import { privateSipAddress } from '../sip/hostports.ts';
import { NO_BODY, type ParsedRequest, type SipRequest, type SipResponse } from '../sip/message.ts';
import type { NextHop } from '../sip/next-hop.ts';
import { reasonPhrase } from '../sip/reason-phrases.ts';
import { composeResponse } from './compose.ts';
import type { Counters, EdgeOptions, Holding } from './options.ts';
import { NotSent } from './outbound.ts';
import { refusalOf } from './refusals.ts';
import { newTag } from './tokens.ts';
import { TransactionLayer } from './transaction-layer.ts';
import type { ClientUser } from './transactions/client.ts';
import type { ServerTransaction } from './transactions/server.ts';
import type { DropCause, Flow } from './transports/transport.ts';

export type { EdgeOptions } from './options.ts';
export { CertificateError, type TlsOptions } from './transports/certificates.ts';
export type { Listener } from './transports/listen.ts';
export { ListenError } from './transports/transport.ts';
export { tryListen } from './transports/try-listen.ts';

/**
 * The embedded SIP server. It parses a message, matches it to a transaction, calls the handler of its method and sends
 * what the handler answers:
 *
 *     datagram ─► parseMessage ─► TransactionLayer ─► handler
 *     datagram ◄─ transaction  ◄─ composeResponse  ◄─ SipAnswer
 */
export class Edge implements SipServer {
  readonly connections: ClientConnections;
  readonly #layer: TransactionLayer;
  readonly #handlers = new Map<string, SipHandler>();
  #methods: readonly string[] = [];
  readonly #onConnected: (() => void)[] = [];
  readonly #onEnded: ((peer: ConnectionPeer) => void)[] = [];
  #needed: (peer: ConnectionPeer) => boolean = () => false;
  #inProgress = 0;
  #onIdle: (() => void) | undefined;
  #privateAddress = '';
  #state: 'new' | 'listening' | 'stopped' = 'new';

  /** @throws CertificateError when a listener needs a certificate that cannot be used */
  constructor(private readonly options: EdgeOptions) {
    this.#layer = new TransactionLayer(options, {
      request: (request, flow, bytes) => this.#onRequest(request, flow, bytes),
      connectionEnded: (flow) => {
        for (const listener of this.#onEnded) listener(flow);
      },
      keepsOpen: (flow) => this.#needed(flow),
    });
    this.connections = {
      isOpen: (address, port) => this.#layer.isConnected(address, port),
      onEnded: (listener) => this.#onEnded.push(listener),
      keepWhile: (needed) => {
        this.#needed = needed;
      },
    };
  }

  handle(method: string, handler: SipHandler): void {
    this.#handlers.set(method, handler);
    this.#methods = [...this.#handlers.keys()];
  }

  screen(screen: Screen): void {
    this.#layer.screen(screen);
  }

  /** Listens on every address, or on none. @throws ListenError that names the unavailable address */
  async connect(): Promise<void> {
    await this.#layer.listen();
    if (this.#state === 'stopped') return this.#layer.close();
    this.#privateAddress = privateSipAddress(this.#layer.localHostports, this.options.networks ?? []);
    this.#state = 'listening';
    for (const listener of this.#onConnected) listener();
  }

  get connected(): boolean {
    return this.#state === 'listening';
  }

  onConnected(listener: () => void): void {
    this.#onConnected.push(listener);
  }

  /** Never: the edge is in our own process. */
  onDisconnected(): void {}

  get hostports(): string {
    return this.#layer.hostports;
  }

  /** Every listening address as bound on this machine. */
  get localHostports(): string {
    return this.#layer.localHostports;
  }

  get privateAddress(): string {
    return this.#privateAddress;
  }

  get counters(): Readonly<Counters> {
    return this.#layer.counters;
  }

  /** `counters.dropped` by cause. */
  get drops(): ReadonlyMap<DropCause, number> {
    return this.#layer.drops;
  }

  get holding(): Holding {
    return this.#layer.holding;
  }

  /** Reads certificates and keys again, for new connections. @throws CertificateError and keeps the old ones */
  reloadCertificates(): void {
    this.#layer.reloadCertificates();
  }

  async request(request: OutboundRequest, deadlineMs: number): Promise<SipResponse> {
    if (!this.connected) throw new Unavailable('SIP server', 'not listening');
    const { timers = systemTimers } = this.options;
    const { promise, resolve, reject } = Promise.withResolvers<SipResponse>();
    const deadline = timers.after(deadlineMs, () =>
      reject(new Unavailable('SIP server', `no response to ${request.method} within ${deadlineMs} ms`)),
    );
    try {
      const user: ClientUser = {
        response: (response) => {
          if (response.status >= 200) resolve(response);
        },
        failure: (status, why) => resolve(localResponse(status, why)),
      };
      this.#layer.send(this.#layer.prepare(request), user, deadlineMs);
      return await promise;
    } catch (error) {
      if (error instanceof NotSent) throw new Unavailable('SIP server', error.message);
      throw error;
    } finally {
      deadline.cancel();
    }
  }

  canReach(hop: NextHop): boolean {
    return this.#state === 'new' || this.#layer.canReach(hop);
  }

  /** A request that comes meanwhile gets no response; its retransmission reaches the next process. */
  async stop(graceMs: number): Promise<void> {
    this.#state = 'stopped';
    this.#layer.stopReading();
    if (this.#inProgress > 0 && graceMs > 0) {
      const idle = Promise.withResolvers<void>();
      this.#onIdle = idle.resolve;
      const timer = (this.options.timers ?? systemTimers).after(graceMs, idle.resolve);
      await idle.promise;
      timer.cancel();
    }
    await this.#layer.close();
  }

  #onRequest(request: ParsedRequest, flow: Flow, bytes: number): void {
    if (this.#state === 'stopped') {
      this.#layer.drop(flow, 'stopping', 'stopping');
      return;
    }
    const refusal = refusalOf(request, this.#methods) ?? (this.#layer.isMerged(request) ? MERGED : undefined);
    const handler = this.#handlers.get(request.method);
    const transaction = refusal || !handler ? undefined : this.#layer.open(request, flow, bytes);
    if (handler && transaction) void this.#answer(handler, request, transaction);
    else this.#layer.refuse(request, refusal ?? UNAVAILABLE, flow);
  }

  /** Never rejects. */
  async #answer(handler: SipHandler, parsed: ParsedRequest, transaction: ServerTransaction): Promise<void> {
    const { transport, address, port } = transaction.flow;
    const request: SipRequest = {
      ...parsed,
      source: { transport: transport.baseProtocol, address, port },
      receivedOn: { transport: transport.baseProtocol, address: transport.address, port: transport.port },
    };
    this.#inProgress++;
    try {
      respond(transaction, await handler(request));
    } catch (error) {
      this.options.logger.error(
        { why: traceOf(error), callId: request.callId },
        'request without an answer: sending 500',
      );
      respond(transaction, { status: 500 });
    }
    if (--this.#inProgress === 0) this.#onIdle?.();
  }
}

/** RFC 3261 8.2.2.2: another copy of a forked request is in progress. */
const MERGED: SipAnswer = { status: 482 };
const UNAVAILABLE: SipAnswer = { status: 503 };

/** Sends the final response, unless the transaction has ended. */
function respond(transaction: ServerTransaction, answer: SipAnswer): void {
  const { request } = transaction;
  if (request) transaction.respond(answer.status, composeResponse(request.headers, answer, newTag()));
}

function localResponse(status: 408 | 503, why: string): SipResponse {
  return { kind: 'response', status, reason: reasonPhrase(status), local: true, why, headers: [], body: NO_BODY };
}
