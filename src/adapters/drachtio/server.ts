import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { type Logger, traceOf } from '../../lib/logger.ts';
import { systemTimers, type Timers } from '../../lib/timers.ts';
import { WritePerTurn } from '../../lib/write-per-turn.ts';
import {
  OPEN_TO_ALL,
  type OutboundRequest,
  type Screen,
  type SipAnswer,
  type SipHandler,
  type SipServer,
} from '../../ports/sip-server.ts';
import { completeHostports, type Hostports, listensTowards, privateSipAddress } from '../../sip/hostports.ts';
import { joinHostPort } from '../../sip/ip.ts';
import { MalformedMessage, type SipRequest, type SipResponse } from '../../sip/message.ts';
import type { NextHop } from '../../sip/next-hop.ts';
import { OpenRequests } from './client.ts';
import { encodeFrame } from './frames.ts';
import { type Received, readAcknowledgement, readReceived, readRequest, writeAnswer } from './messages.ts';
import { readResponse } from './requests.ts';
import { createSrf, interceptMessages, type SrfApp } from './srf.ts';

export interface DrachtioOptions {
  readonly host: string;
  readonly port: number;
  readonly secret: string;
  /** The platform's own networks: an address inside them is preferred as the private address. */
  readonly networks: readonly { contains(address: string): boolean }[];
  readonly logger: Logger;
  readonly timers?: Timers;
}

/** drachtio-srf grows its delay by 1.7 without limit by default. */
const MAX_RECONNECT_DELAY_MS = 5000;
const CLOSE_TIMEOUT_MS = 1000;

/** A drachtio server, over its control protocol. drachtio-srf keeps the connection; we read and write the messages. */
export class DrachtioServer implements SipServer {
  readonly #srf: SrfApp = createSrf();
  readonly connections = undefined;
  readonly #handlers = new Map<string, SipHandler>();
  #hostports: Hostports | undefined;
  #privateAddress = '';
  /** Ids of responses whose sending drachtio has not confirmed. */
  readonly #unacknowledged = new Set<string>();
  readonly #timers: Timers;
  readonly #writes = new WritePerTurn();
  readonly #requests: OpenRequests;
  readonly #onConnected: (() => void)[] = [];
  readonly #onDisconnected: (() => void)[] = [];
  /** Set while the server has accepted us. */
  #socket: Socket | undefined;
  #inFlight = 0;
  #onIdle: (() => void) | undefined;
  #screen = OPEN_TO_ALL;
  #connecting = false;
  #stopping = false;

  constructor(private readonly options: DrachtioOptions) {
    this.#timers = options.timers ?? systemTimers;
    this.#requests = new OpenRequests((text) => this.#send(text), this.#timers);
  }

  handle(method: string, handler: SipHandler): void {
    this.#handlers.set(method, handler);
    // Only routes the method to us: #receive takes the requests before drachtio-srf sees them.
    this.#srf.use(method.toLowerCase(), () => {});
  }

  screen(screen: Screen): void {
    this.#screen = screen;
  }

  get hostports(): string {
    return this.#hostports?.external ?? '';
  }

  get connected(): boolean {
    return !this.#stopping && this.#socket?.writable === true;
  }

  get privateAddress(): string {
    return this.#privateAddress;
  }

  onConnected(listener: () => void): void {
    this.#onConnected.push(listener);
  }

  onDisconnected(listener: () => void): void {
    this.#onDisconnected.push(listener);
  }

  request(request: OutboundRequest, deadlineMs: number): Promise<SipResponse> {
    return this.#requests.send(request, deadlineMs);
  }

  canReach(hop: NextHop): boolean {
    return this.hostports === '' || listensTowards(this.hostports, hop);
  }

  connect(): Promise<void> {
    this.#connecting = true;
    const { host, port, secret, logger } = this.options;
    const address = joinHostPort(host, port);
    const connected = Promise.withResolvers<void>();
    this.#srf.on('connect', (error, external, _version, local) => {
      if (error) {
        this.#srf.client.wp.reconnectVars.retryDelay = MAX_RECONNECT_DELAY_MS;
        logger.error({ address }, 'drachtio refused our secret: is DRACHTIO_SECRET the right one?');
        return;
      }
      this.#learn({ external, local });
      [this.#socket] = this.#srf.client.mapServer.keys();
      logger.info({ address, hostports: this.hostports }, 'drachtio connected');
      connected.resolve();
      for (const listener of this.#onConnected) listener();
    });
    this.#srf.on('error', (error) => {
      // Later failures are part of an outage that has been reported.
      const level = this.#hostports ? 'debug' : 'warn';
      logger[level]({ address, why: error.message }, 'drachtio connection');
    });
    this.#srf.on('close', () => {
      this.#unacknowledged.clear();
      this.#socket = undefined;
      this.#requests.lost();
      if (this.#stopping) return;
      for (const listener of this.#onDisconnected) listener();
    });
    this.#srf.connect({ host, port, secret, reconnect: { retryMaxDelay: MAX_RECONNECT_DELAY_MS } });
    const onBadMessage = (error: unknown) => logger.error({ why: String(error) }, 'drachtio sent what makes no sense');
    interceptMessages(this.#srf.client.wp, (socket, message) => this.#receive(socket, message), onBadMessage);
    return connected.promise;
  }

  async stop(graceMs: number): Promise<void> {
    const first = !this.#stopping;
    this.#stopping = true;
    if (!first || !this.#connecting) return;
    const { client } = this.#srf;
    for (const method of this.#handlers.keys()) client.removeRoute(method.toLowerCase());
    if (this.#inFlight > 0) {
      const idle = Promise.withResolvers<void>();
      this.#onIdle = idle.resolve;
      const timer = this.#timers.after(graceMs, idle.resolve);
      await idle.promise;
      timer.cancel();
    }
    client.wp.closing = true;
    clearTimeout(client.wp.reconnectVars.retryTimer ?? undefined);
    await Promise.all([...client.mapServer.keys()].map((socket) => close(socket, this.#timers)));
  }

  #learn(reported: Hostports): void {
    const { networks, logger } = this.options;
    const complete = completeHostports(this.#hostports, reported);
    if (complete !== reported)
      logger.warn({ reported }, 'drachtio reported fewer addresses than before; keeping those');
    this.#hostports = complete;
    this.#privateAddress = privateSipAddress(complete.local || complete.external, networks);
  }

  #receive(socket: Socket, message: string): boolean {
    const acknowledgement = readAcknowledgement(message);
    if (acknowledgement) {
      if (this.#requests.acknowledged(acknowledgement.messageId, message)) return true;
      if (!this.#unacknowledged.delete(acknowledgement.messageId)) return false;
      if (!acknowledgement.ok) this.options.logger.warn({ message }, 'drachtio did not send an answer of ours');
      return true;
    }
    const response = readResponse(message);
    if (response) {
      this.#requests.answered(response);
      return true;
    }
    const received = readReceived(message);
    return received !== undefined && this.#receiveRequest(socket, received);
  }

  /** @returns false when the method has no handler */
  #receiveRequest(socket: Socket, received: Received): boolean {
    const { transactionId, source } = received;
    if (this.#screen.isBanned(source.address)) {
      this.#respond(socket, writeAnswer(transactionId, BANNED));
      return true;
    }
    const request = readRequest(received);
    if (request instanceof MalformedMessage) this.#screen.malformed(source.address);
    if (!this.#screen.admits(source.address, request.headers)) {
      this.#respond(socket, writeAnswer(transactionId, BANNED));
      return true;
    }
    if (request instanceof MalformedMessage) {
      const { status, message: why } = request;
      this.#respond(socket, writeAnswer(transactionId, { status, reason: `Bad Request - ${why}` }));
      return true;
    }
    const handler = this.#handlers.get(request.method);
    if (!handler) return false;
    void this.#answer(handler, transactionId, request, socket);
    return true;
  }

  /** @returns the id of the message; undefined without a connection */
  #send(text: string): string | undefined {
    return this.#socket?.writable ? this.#write(this.#socket, text) : undefined;
  }

  /** Never rejects. */
  async #answer(handler: SipHandler, transactionId: string, request: SipRequest, socket: Socket): Promise<void> {
    this.#inFlight++;
    let text: string;
    try {
      text = writeAnswer(transactionId, await handler(request));
    } catch (error) {
      this.options.logger.error(
        { why: traceOf(error), callId: request.callId },
        'request without an answer: sending 500',
      );
      text = writeAnswer(transactionId, { status: 500 });
    }
    this.#respond(socket, text);
    if (--this.#inFlight === 0) this.#onIdle?.();
  }

  /** Once the connection is lost, the server itself answers its transactions. */
  #respond(socket: Socket, text: string): void {
    if (socket.writable) this.#unacknowledged.add(this.#write(socket, text));
  }

  /** @returns the id of the message */
  #write(socket: Socket, text: string): string {
    const id = randomUUID();
    this.#writes.hold(socket);
    socket.write(encodeFrame(`${id}|${text}`));
    return id;
  }
}

/** drachtio needs an answer: a transaction without one stays open. */
const BANNED: SipAnswer = { status: 403 };

/** Sends what is left, then waits up to {@link CLOSE_TIMEOUT_MS} for the server to close too. */
function close(socket: Socket, timers: Timers): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve();
    const timer = timers.after(CLOSE_TIMEOUT_MS, () => socket.destroy());
    socket.once('close', () => {
      timer.cancel();
      resolve();
    });
    socket.end();
  });
}
