import { background } from '../lib/background.ts';
import { traceOf } from '../lib/logger.ts';
import { OncePer } from '../lib/once-per.ts';
import { systemTimers, type Timers } from '../lib/timers.ts';
import { OPEN_TO_ALL, type OutboundRequest, type Screen, type SipAnswer } from '../ports/sip-server.ts';
import { normalIp } from '../sip/ip.ts';
import {
  type Header,
  headerValue,
  type MalformedMessage,
  type ParsedRequest,
  type ParsedResponse,
  type Wire,
} from '../sip/message.ts';
import type { NextHop } from '../sip/next-hop.ts';
import { tryParse } from '../sip/syntax.ts';
import { parseVias, responsePort, type Via } from '../sip/via.ts';
import { composeResponse, stampSource } from './compose.ts';
import type { Counters, Holding, LayerOptions } from './options.ts';
import { NotSent, type PreparedRequest, prepareRequest } from './outbound.ts';
import { RequestSender } from './sender.ts';
import { cseqNumbers, statelessTag } from './tokens.ts';
import type { ClientUser } from './transactions/client.ts';
import { ClientTransactions } from './transactions/client-table.ts';
import type { ServerTransaction } from './transactions/server.ts';
import { ServerTransactions, transactionKey } from './transactions/server-table.ts';
import { TRANSACTION_MS } from './transactions/timer-values.ts';
import { Certificates } from './transports/certificates.ts';
import { ConnectionCount } from './transports/connections.ts';
import { FairShare } from './transports/fair-share.ts';
import { KeptBytes } from './transports/kept-bytes.ts';
import { Transports } from './transports/listen.ts';
import { peerNames } from './transports/peer-names.ts';
import { DROP_CAUSES, type DropCause, type Flow, type TransportEvents } from './transports/transport.ts';

/** The transaction user (RFC 3261 5). */
export interface TransactionUser {
  /**
   * Opens the transaction of a request that is neither a retransmission nor an ACK, or refuses it.
   * @param bytes length on the wire
   */
  request(request: ParsedRequest, flow: Flow, bytes: number): void;
  /** A connection has ended, except by {@link TransactionLayer.close}. */
  connectionEnded(flow: Flow): void;
  /** Whether a connection that carried requests stays open although it has been idle. */
  keepsOpen(flow: Flow): boolean;
}

/** Minimum interval between warnings about refused connections, ms. */
const WARNING_INTERVAL_MS = 60_000;
/** Minimum interval between warnings about one peer that cannot be connected to for one reason, ms. */
const COMPLAINT_INTERVAL_MS = 3_600_000;

/** Transports with the transactions of RFC 3261 17 over them. */
export class TransactionLayer {
  readonly counters: Counters = {
    requests: 0,
    retransmissions: 0,
    refused: 0,
    responses: 0,
    malformed: 0,
    dropped: 0,
    banned: 0,
  };
  /** `counters.dropped` by cause. */
  readonly drops = new Map(DROP_CAUSES.map((cause) => [cause, 0]));
  readonly #timers: Timers;
  readonly #certificates: Certificates | undefined;
  readonly #server: ServerTransactions;
  readonly #client: ClientTransactions;
  readonly #sender: RequestSender;
  /** Of what cannot be connected to. */
  readonly #complaints: OncePer;
  readonly #nextCSeq = cseqNumbers(Date.now);
  readonly #connections: ConnectionCount;
  readonly #share = new FairShare();
  readonly #kept: KeptBytes;
  #warnedAt = Number.NEGATIVE_INFINITY;
  #transports: Transports | undefined;
  #smallBuffer = false;
  #screen = OPEN_TO_ALL;

  constructor(
    private readonly options: LayerOptions,
    private readonly user: TransactionUser,
  ) {
    const { timers = systemTimers, limits = {} } = options;
    this.#timers = timers;
    this.#certificates = Certificates.forListeners(options);
    this.#server = new ServerTransactions(timers, transmit, limits.serverTransactions);
    this.#client = new ClientTransactions(timers, limits.clientTransactions);
    this.#sender = new RequestSender(this.#client, timers);
    this.#complaints = new OncePer(COMPLAINT_INTERVAL_MS, timers);
    this.#connections = new ConnectionCount(limits);
    this.#kept = new KeptBytes(limits.keptBytes);
  }

  /** See SipServer.screen. */
  screen(screen: Screen): void {
    this.#screen = screen;
    screen.onBanned((network) => {
      if (this.#connections.isFrom(network)) this.#transports?.disconnect(network);
    });
  }

  /** Listens on every address, or on none. @throws ListenError that names the unavailable address */
  async listen(): Promise<void> {
    const { user, options } = this;
    const events: TransportEvents = {
      isBanned: (address) => this.#isBanned(address),
      message: (message, flow, bytes) =>
        message.kind === 'request' ? this.#onRequest(message, flow, bytes) : this.#onResponse(message, flow, bytes),
      malformed: (error, flow) => this.#onMalformed(error, flow),
      dropped: (flow, cause, why) => this.drop(flow, cause, why),
      fault: (flow, error) => this.#onFault(flow, error),
      smallReceiveBuffer: (granted, asked) => this.#onSmallReceiveBuffer(granted, asked),
      notAccepted: (flow, why) => this.#onNotAccepted(flow, why),
      unreachable: (transport, address, port, why) => this.#client.unreachable(transport, address, port, why),
      refused: (transport) => background(options.logger, 'probe of ports', () => this.#sender.probe(transport)),
      notConnected: (flow, why) => this.#onNotConnected(flow, why),
      idle: (flow) => user.keepsOpen(flow),
      closed: (flow) => {
        this.#client.ended(flow);
        user.connectionEnded(flow);
      },
    };
    this.#transports = await Transports.listen(options, this.#certificates, {
      events,
      timers: this.#timers,
      count: this.#connections,
      share: this.#share,
      kept: this.#kept,
    });
  }

  /** Listening addresses as the outside sees them, `udp/192.0.2.1:5060,…`; '' before {@link listen}. */
  get hostports(): string {
    return this.#transports?.hostports ?? '';
  }

  get localHostports(): string {
    return this.#transports?.localHostports ?? '';
  }

  canReach(hop: NextHop): boolean {
    return this.#transports?.towards(hop.transport, normalIp(hop.address) ?? '') !== undefined;
  }

  get holding(): Holding {
    return {
      connections: this.#connections.all,
      requestsUnderWay: this.#share.underWay,
      keptBytes: this.#kept.sum,
      serverTransactions: this.#server.size,
      clientTransactions: this.#client.size,
    };
  }

  isConnected(address: string, port: number): boolean {
    return this.#transports?.connected(address, port) ?? false;
  }

  reloadCertificates(): void {
    this.#certificates?.reload();
  }

  // --- Server side --------------------------------------------------------------------------------------------------

  /** Whether another copy of the request, by another path, is in progress (RFC 3261 8.2.2.2). */
  isMerged(request: ParsedRequest): boolean {
    return this.#server.isMerged(request);
  }

  /** Opens the transaction of a request; undefined over the limit. */
  open(request: ParsedRequest, flow: Flow, bytes: number): ServerTransaction | undefined {
    const headers = stampSource(request.headers, request.topVia, flow);
    return this.#server.open(request, bytes, flow, { headers, sentBy: request.topVia });
  }

  /** Sends a stateless response; a retransmission of the request gets it again (RFC 3261 8.2.7). */
  refuse({ headers, topVia }: ParsedRequest, answer: SipAnswer, flow: Flow): void {
    this.#refuse(stampSource(headers, topVia, flow), answer, flow);
  }

  drop(flow: Flow | undefined, cause: DropCause, why: string): void {
    this.#countDrop(cause);
    this.options.logger.debug({ ...(flow && { from: peerOf(flow) }), why }, 'dropped');
  }

  #countDrop(cause: DropCause): void {
    this.counters.dropped++;
    this.drops.set(cause, (this.drops.get(cause) ?? 0) + 1);
  }

  // --- Client side --------------------------------------------------------------------------------------------------

  /** @throws NotSent when the request cannot be sent */
  prepare(request: OutboundRequest): PreparedRequest {
    if (!this.#transports) throw new NotSent('not listening');
    if (this.#client.full) throw new NotSent('too many requests in progress');
    return prepareRequest(request, this.#transports, this.#nextCSeq());
  }

  /**
   * Sends a request; calls the user after this returns.
   * @param withinMs after which the user takes no response
   */
  send(prepared: PreparedRequest, user: ClientUser, withinMs = TRANSACTION_MS): void {
    this.#sender.send(prepared, user, withinMs);
  }

  // --- The end ------------------------------------------------------------------------------------------------------

  stopReading(): void {
    this.#transports?.stopReading();
  }

  /** Fails every request of ours, sends pending responses and closes every socket. */
  async close(): Promise<void> {
    this.#sender.close();
    this.#server.clear();
    await this.#transports?.close();
  }

  // --- From the network ---------------------------------------------------------------------------------------------

  /** Counts what the caller discards, and no more: a line for each would fill the log. */
  #isBanned(address: string): boolean {
    const isBanned = this.#screen.isBanned(address);
    if (isBanned) this.counters.banned++;
    return isBanned;
  }

  #onRequest(request: ParsedRequest, source: Flow, bytes: number): void {
    if (!this.#screen.admits(source.address, request.headers)) {
      this.counters.banned++;
      return;
    }
    this.counters.requests++;
    if (request.method === 'ACK') return;
    const flow = responseFlow(source, request.topVia);
    const known = this.#server.match(transactionKey(request, flow));
    if (known) {
      this.counters.retransmissions++;
      known.retransmitted();
    } else this.user.request(request, flow, bytes);
  }

  #onResponse(response: ParsedResponse, flow: Flow, bytes: number): void {
    this.counters.responses++;
    if (!this.#client.receive(response, flow, bytes))
      this.drop(flow, 'stray response', 'a response to no request of ours');
  }

  #onMalformed({ status, message, method, headers }: MalformedMessage, flow: Flow): void {
    this.counters.malformed++;
    const line = headerValue(headers, 'Via');
    if (method === undefined || method === 'ACK' || line === undefined) {
      // Noise, such as the STUN keep-alives of phones.
      this.drop(flow, 'malformed', message);
      return;
    }
    this.#screen.malformed(flow.address);
    if (!this.#screen.admits(flow.address, headers)) {
      this.counters.banned++;
      return;
    }
    const answer = { status, reason: status === 400 ? `Bad Request - ${message}` : message };
    const topVia = tryParse(() => parseVias(line)[0]);
    if (topVia) this.#refuse(stampSource(headers, topVia, flow), answer, responseFlow(flow, topVia));
    else this.#refuse(headers, answer, flow);
  }

  #refuse(request: readonly Header[], answer: SipAnswer, flow: Flow): void {
    this.counters.refused++;
    flow.send(composeResponse(request, answer, statelessTag(request)));
  }

  #onFault(flow: Flow, error: unknown): void {
    this.#countDrop('fault');
    this.options.logger.error({ from: peerOf(flow), why: traceOf(error) }, 'a message could not be dealt with');
  }

  /** Once, however many sockets there are. */
  #onSmallReceiveBuffer(granted: number, asked: number): void {
    if (this.#smallBuffer) return;
    this.#smallBuffer = true;
    this.options.logger.warn(
      { granted, asked },
      `the kernel limits UDP receive buffers, so bursts may be lost: sysctl -w net.core.rmem_max=${asked}`,
    );
  }

  #onNotAccepted(flow: Flow, why: string): void {
    this.drop(flow, 'not accepted', why);
    const now = this.#timers.monotonic();
    if (now - this.#warnedAt < WARNING_INTERVAL_MS) return;
    this.#warnedAt = now;
    this.options.logger.warn({ from: flow.address, why }, 'connections are not accepted');
  }

  #onNotConnected(flow: Flow, why: string): void {
    const to = peerOf(flow);
    const isNews = this.#complaints.isDue(`${to.protocol} ${to.address} ${to.port} ${why}`);
    this.options.logger[isNews ? 'warn' : 'debug']({ to, why }, 'no connection');
  }
}

/** RFC 3261 18.2.2. */
function responseFlow(source: Flow, topVia: Via): Flow {
  const { transport, address, port } = source;
  const to = transport.reliable ? port : responsePort(topVia, address, port);
  return to === port ? source : source.sendingTo(to);
}

function transmit(response: Wire, { flow, request }: ServerTransaction): boolean {
  if (flow.send(response)) return true;
  if (!request) return false;
  // RFC 3261 18.2.2: over a new connection to the source address, at the port of sent-by.
  const { transport, address } = flow;
  const { host, port } = request.sentBy;
  return transport.callBack(address, port ?? transport.defaultPort, peerNames([host], address)).send(response);
}

function peerOf({ transport, address, port }: Flow) {
  return { protocol: transport.baseProtocol, address, port };
}
