import type { Header, MalformedMessage, SipRequest, SipResponse, Wire } from '../sip/message.ts';
import { headerValue, serialise } from '../sip/message.ts';
import { type Clock, systemClock } from './clock.ts';
import { type Answer, composeResponse, stampSource } from './compose.ts';
import type { App } from './control/app.ts';
import { Apps } from './control/apps.ts';
import { requestLeader, requestSent, responseLeader, responseSent } from './control/messages.ts';
import { type ControlServer, listenControl, secretCheck } from './control/server.ts';
import type { Counters, Edge, EdgeOptions, FarEnd, Holding } from './options.ts';
import { NotSent, nameOf, type Outbound, prepareRequest, readAppMessage } from './outbound.ts';
import { refusalOf } from './refusals.ts';
import { cseqNumbers, newId, newTag, statelessTag } from './tokens.ts';
import { ClientTransactions } from './transactions/client-table.ts';
import type { ServerTransaction } from './transactions/server.ts';
import { ServerTransactions, transactionKey } from './transactions/server-table.ts';
import { ConnectionCount } from './transports/connections.ts';
import { FairShare } from './transports/fair-share.ts';
import { KeptBytes } from './transports/kept-bytes.ts';
import { localAddress, Transports } from './transports/listen.ts';
import { isRefused } from './transports/probe.ts';
import type { Flow, Transport, TransportEvents } from './transports/transport.ts';

export type { Clock } from './clock.ts';
export type { Counters, Edge, EdgeOptions, FarEnd, Holding } from './options.ts';
export { CertificateError, type TlsOptions } from './transports/certificates.ts';
export type { Listener } from './transports/listen.ts';
export { ListenError } from './transports/transport.ts';

/** drachtio-srf reads the version of the server it talks to, and pings those from v0.8.2 on. */
const VERSION = 'v0.9.10-sbc-sip-sidecar';

/**
 * Starts the embedded SIP edge: what drachtio-server is to drachtio-srf, for REGISTER and OPTIONS.
 * @throws ListenError naming the address that could not be had, CertificateError; nothing is left open then
 */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const edge = new SipEdge(options);
  await edge.start();
  return edge;
}

/**
 * The switchboard. On one side the network: transports bring messages, transactions keep order among them. On the other
 * side the apps: their connections bring answers and requests.
 *
 *     datagram ─► parseMessage ─► #onRequest ─► frame to the app
 *     datagram ◄─ transaction  ◄─ #onAnswer  ◄─ frame from the app
 */
class SipEdge implements Edge {
  readonly counters: Counters = { requests: 0, retransmissions: 0, refused: 0, responses: 0, malformed: 0, dropped: 0 };
  hostports = '';
  localHostports = '';
  control = { host: '', port: 0 };

  readonly #clock: Clock;
  readonly #apps = new Apps();
  readonly #server: ServerTransactions;
  readonly #client: ClientTransactions;
  readonly #nextCSeq = cseqNumbers(Date.now);
  readonly #probing = new Set<Transport>();
  readonly #connections: ConnectionCount;
  readonly #share = new FairShare();
  readonly #kept: KeptBytes;
  #warnedAt = Number.NEGATIVE_INFINITY;
  #transports: Transports | undefined;
  #control: ControlServer | undefined;

  constructor(private readonly options: EdgeOptions) {
    this.#clock = options.clock ?? systemClock;
    const { limits = {} } = options;
    const transmit = (response: Wire, { flow, question }: ServerTransaction) => {
      if (flow.send(response)) return true;
      if (!question) return false;
      // RFC 3261 18.2.2: the connection is gone; open another to the source, at the port of sent-by.
      const { transport, address } = flow;
      const { host, port } = question.sentBy;
      return transport.callBack(address, port ?? transport.defaultPort, nameOf(host)).send(response);
    };
    this.#server = new ServerTransactions(this.#clock, transmit, limits.serverTransactions);
    this.#client = new ClientTransactions(this.#clock, limits.clientTransactions);
    this.#connections = new ConnectionCount(limits);
    this.#kept = new KeptBytes(limits.keptBytes);
  }

  async start(): Promise<void> {
    const { secret, controlHost = '127.0.0.1', controlPort = 0 } = this.options;
    const events: TransportEvents = {
      message: (message, flow, bytes) =>
        message.kind === 'request' ? this.#onRequest(message, flow, bytes) : this.#onResponse(message, flow, bytes),
      malformed: (error, flow) => this.#onMalformed(error, flow),
      dropped: (flow, why) => this.#drop(flow, why),
      fault: (flow, error) => this.#onFault(flow, error),
      notAccepted: (flow, why) => this.#onNotAccepted(flow, why),
      unreachable: (transport, address, port) => this.#client.unreachable(transport, address, port),
      refused: (transport) => void this.#probe(transport),
      notConnected: (flow, why) => this.options.logger.info({ to: peer(flow), why }, 'no connection'),
      idle: (flow) => this.options.connectionNeeded?.(farEnd(flow)) ?? false,
      closed: (flow) => this.#onClosed(flow),
    };
    const shared = { count: this.#connections, share: this.#share, kept: this.#kept };
    const context = { events, clock: this.#clock, ...shared };
    this.#transports = await Transports.listen(this.options, context);
    this.hostports = this.#transports.hostports;
    this.localHostports = this.#transports.localHostports;
    try {
      this.#control = await listenControl(
        controlHost,
        controlPort,
        {
          welcome: `${this.hostports}|${VERSION}|${this.localHostports}`,
          isSecret: secretCheck(secret),
          route: (app, method) => this.#apps.route(app, method),
          removeRoute: (app, method) => this.#apps.removeRoute(app, method),
          response: (app, msgId, transactionId, text) => this.#onAnswer(app, msgId, transactionId, text),
          request: (app, msgId, route, text) => this.#onNewRequest(app, msgId, route, text),
          left: (app, why) => this.#onAppLeft(app, why),
        },
        this.#clock,
      );
    } catch (error) {
      await this.#transports.close();
      throw error;
    }
    this.control = { host: this.#control.host, port: this.#control.port };
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
    this.#transports?.reloadCertificates();
  }

  async stop(): Promise<void> {
    await this.#control?.close();
    this.#server.clear();
    this.#client.clear();
    await this.#transports?.close();
  }

  // --- From the network ---------------------------------------------------------------------------------------------

  #onRequest(request: SipRequest, flow: Flow, bytes: number): void {
    this.counters.requests++;
    // "ACK" has no response in any case, and no INVITE was ever accepted here.
    if (request.method === 'ACK') return;
    const key = transactionKey(request, flow);
    const known = this.#server.match(key);
    if (known) {
      this.counters.retransmissions++;
      known.retransmitted();
      return;
    }

    const headers = stampSource(request, flow.address, flow.port);
    const refusal = refusalOf(request) ?? (this.#server.isMerged(request) ? MERGED : undefined);
    const app = refusal ? undefined : this.#apps.next(request.method);
    const id = newId();
    if (app && this.#server.open(request, bytes, key, id, flow, { headers, sentBy: request.topVia, owner: app })) {
      app.send(requestLeader(bytes, peer(flow), id, local(flow.transport, flow.address)), serialise(request, headers));
    } else this.#refuse(headers, refusal ?? UNAVAILABLE, flow);
  }

  #onResponse(response: SipResponse, flow: Flow, bytes: number): void {
    this.counters.responses++;
    if (!this.#client.receive(response, flow, bytes)) this.#drop(flow, 'a response to no request of ours');
  }

  #onMalformed({ status, message, method, headers }: MalformedMessage, flow: Flow): void {
    this.counters.malformed++;
    const answerable = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].every((name) => headerValue(headers, name));
    if (method === undefined || method === 'ACK' || !answerable) this.#drop(flow, message);
    else this.#refuse(headers, { status, reason: status === 400 ? `Bad Request - ${message}` : message }, flow);
  }

  #onClosed(flow: Flow): void {
    this.#client.ended(flow);
    this.options.connectionClosed?.(farEnd(flow));
  }

  /** Answers without a transaction: should the request come again, it is answered again (RFC 3261 8.2.7). */
  #refuse(request: readonly Header[], answer: Answer, flow: Flow): void {
    this.counters.refused++;
    flow.send(composeResponse(request, answer, statelessTag(request)));
  }

  /** One message of a stranger's must not end the service of everybody. */
  #onFault(flow: Flow, error: unknown): void {
    this.counters.dropped++;
    const why = error instanceof Error ? error.stack : String(error);
    this.options.logger.error({ from: peer(flow), why }, 'a message could not be dealt with');
  }

  /** An operator has to know when phones are turned away, but not of each. */
  #onNotAccepted(flow: Flow, why: string): void {
    this.#drop(flow, why);
    const now = this.#clock.now();
    if (now - this.#warnedAt < WARN_AGAIN_MS) return;
    this.#warnedAt = now;
    this.options.logger.warn({ from: flow.address, why }, 'connections are not accepted');
  }

  #drop(flow: Flow | undefined, why: string): void {
    this.counters.dropped++;
    this.options.logger.debug({ ...(flow && { from: peer(flow) }), why }, 'dropped');
  }

  /** A datagram of ours was refused, nobody knows which: asks every port that has not answered. */
  async #probe(transport: Transport): Promise<void> {
    if (this.#probing.has(transport)) return;
    this.#probing.add(transport);
    const suspects = this.#client.destinations(transport).slice(0, MAX_PROBES);
    await Promise.all(
      suspects.map(async ({ address, port }) => {
        if (await isRefused(address, port)) this.#client.unreachable(transport, address, port);
      }),
    );
    this.#probing.delete(transport);
  }

  // --- From the apps ------------------------------------------------------------------------------------------------

  #onAnswer(app: App, msgId: string, transactionId: string, text: string): void {
    const tx = this.#server.awaiting(transactionId);
    if (tx?.question?.owner !== app) {
      app.reply(msgId, 'NOK|Response not sent due to unknown transaction');
      return;
    }
    const { startLine, headers, fault, body } = readAppMessage(text);
    const [, status, reason = ''] = /^SIP\/2\.0 ([1-6]\d\d) ?(.*)$/.exec(startLine) ?? [];
    if (status === undefined || fault) {
      app.reply(msgId, `NOK|${fault ?? 'invalid status line'}`);
      return;
    }
    const answer = { status: Number(status), reason, headers, body };
    const response = composeResponse(tx.question.headers, answer, newTag());
    tx.respond(answer.status, response);
    app.reply(msgId, `OK|${responseSent(Buffer.byteLength(response), peer(tx.flow), tx.id)}`, response);
  }

  #onNewRequest(app: App, msgId: string, route: string, text: string): void {
    if (!this.#transports) return;
    try {
      if (this.#client.full) throw new NotSent('too many requests in progress');
      const outbound = prepareRequest(text, route, this.#transports, this.#nextCSeq());
      const id = newId();
      const { transport, address, port, wire } = outbound;
      // As drachtio has it: of a datagram its source is told, of a connection its far end.
      const told = transport.reliable ? { protocol: transport.toldAs, address, port } : local(transport, address);
      app.reply(msgId, `OK|${requestSent(Buffer.byteLength(wire), told, id)}`, wire);
      this.#send(app, id, outbound);
    } catch (error) {
      if (!(error instanceof NotSent)) throw error;
      app.reply(msgId, `NOK|${error.message}`);
    }
  }

  #send(app: App, id: string, { request, wire, transport, address, port, name, byUdp }: Outbound): void {
    this.#client.send(id, request, wire, transport.flowTo(address, port, name), {
      response: (message, flow, bytes) => app.send(responseLeader(bytes, peer(flow), id), serialise(message)),
      failure: (status) => {
        if (status === 503 && byUdp) {
          this.#send(app, id, byUdp);
          return;
        }
        const nobody = { protocol: transport.toldAs, address: '', port: 0 };
        const answer = status === 408 ? { status, reason: 'Request Timeout' } : UNAVAILABLE;
        app.send(responseLeader(0, nobody, id), composeResponse(request.headers, answer, newTag()));
      },
    });
  }

  #onAppLeft(app: App, why: string): void {
    this.#apps.remove(app);
    const left = this.#server.leftBy(app);
    this.options.logger.info({ why, unanswered: left.length }, 'app disconnected');
    for (const tx of left) {
      this.counters.refused++;
      const headers = tx.question?.headers ?? [];
      tx.respond(UNAVAILABLE.status, composeResponse(headers, UNAVAILABLE, newTag()));
    }
  }
}

/** RFC 3261 8.2.2.2: a proxy on the way has forked the request, and another copy was here before. */
const MERGED = { status: 482, reason: 'Loop Detected' } satisfies Answer;
const UNAVAILABLE = { status: 503, reason: 'Service Unavailable' } satisfies Answer;

const WARN_AGAIN_MS = 60_000;

/** Ports asked at a time; whoever is left out is asked at the next refusal, or runs into its timeout. */
const MAX_PROBES = 16;

function farEnd({ transport: { protocol }, address, port }: Flow): FarEnd {
  return { protocol, address, port };
}

function peer({ transport, address, port }: Flow) {
  return { protocol: transport.toldAs, address, port };
}

function local(transport: Transport, peer: string) {
  return { protocol: transport.toldAs, address: localAddress(transport, peer), port: transport.port };
}
