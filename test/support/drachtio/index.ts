import { createServer, isIP, type Server } from 'node:net';
import { composeResponse } from '../../../src/edge/compose.ts';
import type { LayerOptions } from '../../../src/edge/options.ts';
import { NotSent, type PreparedRequest } from '../../../src/edge/outbound.ts';
import { refusalOf } from '../../../src/edge/refusals.ts';
import { newId, newTag } from '../../../src/edge/tokens.ts';
import { TransactionLayer, type TransactionUser } from '../../../src/edge/transaction-layer.ts';
import type { ServerTransaction } from '../../../src/edge/transactions/server.ts';
import { localAddress } from '../../../src/edge/transports/listen.ts';
import type { Flow, Transport } from '../../../src/edge/transports/transport.ts';
import type { OutboundRequest } from '../../../src/ports/sip-server.ts';
import { readHead } from '../../../src/sip/head.ts';
import type { Header, ParsedRequest } from '../../../src/sip/message.ts';
import { param } from '../../../src/sip/params.ts';
import { SipSyntaxError } from '../../../src/sip/syntax.ts';
import { parseUri, type SipUri } from '../../../src/sip/uri.ts';
import { App, type AppHandlers } from './app.ts';
import { requestLeader, requestSent, responseLeader, responseSent, serialise } from './messages.ts';

/** drachtio-srf pings servers from v0.8.2 on. */
const VERSION = 'v0.9.10-test';
const METHODS = ['REGISTER', 'OPTIONS'];
const UNAVAILABLE = { status: 503 };

export interface DrachtioOptions extends LayerOptions {
  readonly secret: string;
  readonly controlPort?: number;
}

interface Pending {
  readonly app: App;
  readonly transaction: ServerTransaction;
}

/**
 * A drachtio server for tests: the edge's transaction layer, with drachtio's control protocol in front of it. Recorded
 * transcripts of a real drachtio-server check it.
 */
export class DrachtioDouble implements TransactionUser, AppHandlers {
  readonly layer: TransactionLayer;
  readonly secret: string;
  /** The next one to get a request first. */
  readonly #apps: App[] = [];
  readonly #pending = new Map<string, Pending>();
  readonly #server: Server;
  #controlPort = 0;

  static async start(options: DrachtioOptions): Promise<DrachtioDouble> {
    const drachtio = new DrachtioDouble(options);
    await drachtio.#listen(options.controlPort ?? 0);
    return drachtio;
  }

  private constructor(options: DrachtioOptions) {
    this.secret = options.secret;
    this.layer = new TransactionLayer(options, this);
    this.#server = createServer({ noDelay: true }, (socket) => this.#apps.push(new App(socket, this)));
  }

  get controlPort(): number {
    return this.#controlPort;
  }

  welcome(): string {
    return `${this.layer.hostports}|${VERSION}|${this.layer.localHostports}`;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const app of this.#apps.splice(0)) app.destroy();
    await closed;
    await this.layer.close();
  }

  async #listen(controlPort: number): Promise<void> {
    await this.layer.listen();
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: '127.0.0.1', port: controlPort }, resolve);
    });
    const bound = this.#server.address();
    this.#controlPort = bound && typeof bound === 'object' ? bound.port : 0;
  }

  // --- From the network ---------------------------------------------------------------------------------------------

  request(request: ParsedRequest, flow: Flow, bytes: number): void {
    const refusal = refusalOf(request, METHODS) ?? (this.layer.isMerged(request) ? { status: 482 } : undefined);
    const app = refusal ? undefined : this.#next(request.method);
    const transaction = app && this.layer.open(request, flow, bytes);
    if (!app || !transaction) {
      this.layer.refuse(request, refusal ?? UNAVAILABLE, flow);
      return;
    }
    const id = newId();
    this.#pending.set(id, { app, transaction });
    const local = localEnd(flow.transport, flow.address);
    app.send(requestLeader(bytes, endOf(flow), id, local), serialise(request, transaction.request?.headers));
  }

  connectionEnded(): void {}

  keepsOpen(): boolean {
    return false;
  }

  #next(method: string): App | undefined {
    const index = this.#apps.findIndex((app) => app.routes.has(method));
    const [app] = index < 0 ? [] : this.#apps.splice(index, 1);
    if (app) this.#apps.push(app);
    return app;
  }

  // --- From the apps ------------------------------------------------------------------------------------------------

  appResponse(app: App, messageId: string, transactionId: string, text: string): void {
    const pending = this.#pending.get(transactionId);
    const request = pending?.transaction.request;
    if (pending?.app !== app || !request) {
      app.reply(messageId, 'NOK|Response not sent due to unknown transaction');
      return;
    }
    const { startLine, headers, fault } = readHead(text);
    const [, status, reason = ''] = /^SIP\/2\.0 ([1-6]\d\d) ?(.*)$/.exec(startLine) ?? [];
    if (status === undefined || fault) {
      app.reply(messageId, `NOK|${fault ?? 'invalid status line'}`);
      return;
    }
    const answer = { status: Number(status), reason, headers: byName(headers) };
    const response = composeResponse(request.headers, answer, newTag());
    pending.transaction.respond(answer.status, response);
    if (answer.status >= 200) this.#pending.delete(transactionId);
    const sent = responseSent(Buffer.byteLength(response), endOf(pending.transaction.flow), transactionId);
    app.reply(messageId, `OK|${sent}`, response);
  }

  appLeft(app: App): void {
    const index = this.#apps.indexOf(app);
    if (index >= 0) this.#apps.splice(index, 1);
    for (const [id, { app: owner, transaction }] of this.#pending) {
      if (owner !== app) continue;
      this.#pending.delete(id);
      const { request } = transaction;
      if (request) transaction.respond(503, composeResponse(request.headers, UNAVAILABLE, newTag()));
    }
  }

  appRequest(app: App, messageId: string, route: string, text: string): void {
    try {
      const prepared = this.layer.prepare(readRequest(text, route));
      const { transport, address, port, wire } = prepared;
      const id = newId();
      // Over UDP drachtio names the local address, over a connection the peer's.
      const end = transport.reliable
        ? { protocol: transport.baseProtocol, address, port }
        : localEnd(transport, address);
      app.reply(messageId, `OK|${requestSent(Buffer.byteLength(wire), end, id)}`, wire);
      this.#send(app, id, prepared);
    } catch (error) {
      if (!(error instanceof NotSent)) throw error;
      const malformedLeg = error.message === 'Malformed From' || error.message === 'Malformed To';
      app.reply(messageId, `NOK|${malformedLeg ? 'Error creating leg' : error.message}`);
    }
  }

  #send(app: App, id: string, prepared: PreparedRequest): void {
    this.layer.send(prepared, {
      response: (message, flow, bytes) => app.send(responseLeader(bytes, endOf(flow), id), serialise(message)),
      failure: (status) => {
        const request = readHead(prepared.wire).headers;
        const noEnd = { protocol: prepared.transport.baseProtocol, address: '', port: 0 };
        app.send(responseLeader(0, noEnd, id), composeResponse(request, { status }, newTag()));
      },
    });
  }
}

/** Parses an app's request. @throws NotSent with drachtio's reason */
function readRequest(text: string, route: string): OutboundRequest {
  const { startLine, headers, fault } = readHead(text);
  const [, method, uri] = /^(\S+) (\S+) SIP\/2\.0$/.exec(startLine) ?? [];
  if (method === undefined || uri === undefined) throw new NotSent(`invalid start line: ${startLine}`);
  if (fault !== undefined) throw new NotSent(fault);
  if (method !== 'REGISTER' && method !== 'OPTIONS') throw new NotSent(`${method} is not supported`);
  const target = uriOf(route || uri);
  if (!target || !uriOf(uri)) throw new NotSent(`invalid request-uri: ${startLine}`);
  const address = target.host.replace(/^\[|\]$/g, '');
  if (isIP(address) === 0) throw new NotSent(`not an IP address: ${target.host}`);
  const named = param(target.params, 'transport') || (target.scheme === 'sips' ? 'tls' : 'udp');
  const transport = (['udp', 'tcp', 'tls'] as const).find((t) => t === named.toLowerCase());
  if (!transport) throw new NotSent('requested protocol/transport not available');
  const port = target.port ?? (transport === 'tls' ? 5061 : 5060);
  // drachtio-srf adds the Call-ID of the first attempt to one of its own: the last one counts.
  const { 'Call-ID': callId, ...others } = byName(headers);
  const last = [callId ?? []].flat().slice(-1);
  return { method, uri, nextHop: { address, port, transport }, headers: { ...others, 'Call-ID': last } };
}

function uriOf(text: string): SipUri | undefined {
  try {
    return parseUri(text);
  } catch (error) {
    if (error instanceof SipSyntaxError) return undefined;
    throw error;
  }
}

function byName(headers: readonly Header[]): Record<string, readonly string[] | string> {
  const all: Record<string, readonly string[] | string> = {};
  for (const [name, lines] of Map.groupBy(headers, (header) => header.name)) {
    const values = lines.map(({ value }) => value);
    all[name] = values.length === 1 ? (values[0] ?? '') : values;
  }
  return all;
}

function endOf({ transport, address, port }: Flow) {
  return { protocol: transport.baseProtocol, address, port };
}

function localEnd(transport: Transport, peer: string) {
  return { protocol: transport.baseProtocol, address: localAddress(transport, peer), port: transport.port };
}
