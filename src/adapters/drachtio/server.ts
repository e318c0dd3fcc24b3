import type { Config } from '../../config/index.ts';
import type { Logger, SipAnswer, SipRequest } from '../../ports.ts';
import { completeHostports, type Hostports, privateSipAddress } from '../../sip/hostports.ts';
import { createSrf, guardAgainstBadFrames, type SrfApp, type SrfRequest, type SrfResponse } from './srf.ts';

export type Handler = (request: SipRequest) => Promise<SipAnswer>;

export interface DrachtioOptions {
  readonly host: string;
  readonly port: number;
  readonly secret: string;
  readonly networks: Config['platform']['networks'];
  readonly logger: Logger;
}

/** drachtio-srf multiplies its delay by 1.7 without end unless it is told one; milliseconds. */
const MAX_RECONNECT_DELAY_MS = 3000;
const WRONG_SECRET_DELAY_MS = 5000;
/** drachtio-server never reads on after a frame over 12 228 bytes; ours stay below with room for its own header. */
const MAX_ANSWER_BYTES = 11_500;

/** The SIP server's requests and our answers, over drachtio's control protocol. */
export class DrachtioServer {
  readonly #srf: SrfApp = createSrf();
  readonly #methods: string[] = [];
  #hostports: Hostports | undefined;
  #privateAddress = '';
  #inFlight = 0;
  #onIdle: (() => void) | undefined;
  #stopping = false;

  constructor(private readonly options: DrachtioOptions) {
    guardAgainstBadFrames((error) => options.logger.error({ why: error.message }, 'drachtio sent a bad frame'));
  }

  /** Routes a method's requests to us. Whatever the handler does, each of them is answered. */
  handle(method: string, handler: Handler): void {
    this.#methods.push(method.toLowerCase());
    this.#srf.use(method.toLowerCase(), (request, response) => void this.#answer(handler, request, response));
  }

  /** Connects, and reconnects for ever; resolves when the server has accepted us for the first time. */
  connect(): Promise<void> {
    const { host, port, secret, logger } = this.options;
    const connected = Promise.withResolvers<void>();
    this.#srf.on('connect', (error, external, _version, local) => {
      if (error) {
        this.#srf.client.wp.reconnectVars.retryDelay = WRONG_SECRET_DELAY_MS;
        logger.error({ host, port }, 'drachtio refused our secret: is DRACHTIO_SECRET the right one?');
        return;
      }
      this.#learn({ external, local });
      logger.info({ host, port, hostports: this.#hostports?.external }, 'drachtio connected');
      connected.resolve();
    });
    this.#srf.on('error', (error) => logger.warn({ host, port, why: error.message }, 'drachtio connection'));
    this.#srf.on('close', () => {
      if (!this.#stopping) logger.warn({ host, port }, 'drachtio connection closed');
    });
    // A delay of 5 s for a wrong secret must not be cut to the usual maximum, so the higher of the two is the limit.
    const retryMaxDelay = Math.max(MAX_RECONNECT_DELAY_MS, WRONG_SECRET_DELAY_MS);
    this.#srf.connect({ host, port, secret, reconnect: { retryMaxDelay } });
    return connected.promise;
  }

  get connected(): boolean {
    return this.#hostports !== undefined && this.#srf.client.mapServer.size > 0;
  }

  /** Asks for no more requests, lets those in flight be answered, at most for `graceMs`, and disconnects. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const { client } = this.#srf;
    if (this.connected) for (const method of this.#methods) client.removeRoute(method);
    if (this.#inFlight > 0) {
      const idle = Promise.withResolvers<void>();
      this.#onIdle = idle.resolve;
      const timer = setTimeout(idle.resolve, graceMs);
      await idle.promise;
      clearTimeout(timer);
    }
    client.wp.closing = true;
    clearTimeout(client.wp.reconnectVars.retryTimer ?? undefined);
    await Promise.all(
      [...client.mapServer.keys()].map((socket) => new Promise<void>((resolve) => socket.end(() => resolve()))),
    );
  }

  #learn(reported: Hostports): void {
    const { networks, logger } = this.options;
    const complete = completeHostports(this.#hostports, reported);
    if (complete !== reported)
      logger.warn({ reported }, 'drachtio reported fewer addresses than before; keeping those');
    this.#hostports = complete;
    this.#privateAddress = privateSipAddress(complete.local || complete.external, networks);
  }

  async #answer(handler: Handler, request: SrfRequest, response: SrfResponse): Promise<void> {
    this.#inFlight++;
    try {
      const answer = await handler(this.#toRequest(request));
      this.#send(request, response, answer);
    } catch (error) {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.options.logger.error({ why, callId: request.headers['call-id'] }, 'request without an answer: sending 500');
      this.#send(request, response, { status: 500 });
    } finally {
      if (--this.#inFlight === 0) this.#onIdle?.();
    }
  }

  #send(request: SrfRequest, response: SrfResponse, { status, reason, headers = {} }: SipAnswer): void {
    const lines: Record<string, string> = {};
    let bytes = 0;
    for (const [name, value] of Object.entries(headers)) {
      const values = typeof value === 'string' ? [value] : value;
      if (values.some((v) => /[\r\n\0]/.test(v))) throw new Error(`line break in the value of ${name}`);
      // drachtio-srf would join them by commas, which WWW-Authenticate does not allow (RFC 3261 7.3.1).
      const text = values.join(`\r\n${name}: `);
      lines[name] = text;
      bytes += name.length + Buffer.byteLength(text) + 4;
    }
    for (const name of ['from', 'to', 'call-id', 'cseq']) bytes += Buffer.byteLength(request.headers[name] ?? '') + 16;
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`an answer of ${bytes} bytes is more than drachtio takes`);
    response.send(status, reason, { headers: lines });
  }

  #toRequest(request: SrfRequest): SipRequest {
    const { headers } = request;
    return {
      method: request.method,
      uri: request.uri,
      headers,
      header: (name) => headers[name] ?? (isExtension(name) ? findExtension(headers, name) : undefined),
      source: { address: request.source_address, port: request.source_port },
      server: { hostports: this.#hostports?.external ?? '', privateAddress: this.#privateAddress },
    };
  }
}

/** drachtio-srf keeps the spelling of these; all other names it puts in lower case. */
function isExtension(name: string): boolean {
  return name.startsWith('x-') || name.startsWith('p-');
}

function findExtension(headers: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.entries(headers).find(([given]) => given.toLowerCase() === name)?.[1];
}
