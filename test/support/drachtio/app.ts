import type { Socket } from 'node:net';
import { FrameReader } from '../../../src/adapters/drachtio/frames.ts';
import { newId } from '../../../src/edge/tokens.ts';
import type { Wire } from '../../../src/sip/message.ts';
import { frameOf } from './frames.ts';

export interface AppHandlers {
  readonly secret: string;
  /** The reply to a successful authentication: hostports, version, local hostports. */
  welcome(): string;
  appResponse(app: App, messageId: string, transactionId: string, text: string): void;
  /** A new request; `route` '' sends it to its Request-URI. */
  appRequest(app: App, messageId: string, route: string, text: string): void;
  appLeft(app: App): void;
}

/** drachtio closes the connection of an app that sends more. */
export const MAX_FRAME_BYTES = 65_536;

/** The server's end of an app's connection. */
export class App {
  readonly routes = new Set<string>();
  #authenticated = false;

  constructor(
    private readonly socket: Socket,
    private readonly handlers: AppHandlers,
  ) {
    const reader = new FrameReader(MAX_FRAME_BYTES, (payload) => {
      if (socket.writable) this.#receive(payload);
    });
    socket.on('data', (chunk) => {
      if (socket.writable && !reader.push(chunk as Buffer)) socket.end();
    });
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => handlers.appLeft(this));
  }

  send(leader: string, message: Wire = ''): void {
    if (this.socket.writable) this.socket.write(frameOf(leader, message));
  }

  /** Acknowledges a message: `OK`, `OK|…` or `NOK|…`. */
  reply(messageId: string, result: string, message?: Wire): void {
    this.send(`${newId()}|response|${messageId}|${result}`, message);
  }

  destroy(): void {
    this.socket.destroy();
  }

  #receive(payload: string): void {
    const end = payload.indexOf('\r\n');
    const [messageId = '', type, ...args] = (end < 0 ? payload : payload.slice(0, end)).split('|');
    const [first = '', , route = ''] = args;
    if (type === 'authenticate') this.#authenticate(messageId, first);
    else if (!this.#authenticated) this.socket.end();
    else if (type === 'sip' && end >= 0) this.#sip(messageId, first, route, payload.slice(end + 2));
    else if (type === 'route') this.#route(messageId, first, 'add');
    else if (type === 'remove_route') this.#route(messageId, first, 'delete');
    else if (type === 'ping') this.reply(messageId, 'OK|pong');
    else this.#disconnect(messageId, 'Unknown message type');
  }

  #authenticate(messageId: string, secret: string): void {
    this.#authenticated = secret === this.handlers.secret;
    if (this.#authenticated) this.reply(messageId, `OK|${this.handlers.welcome()}`);
    else this.#disconnect(messageId, 'incorrect secret');
  }

  #route(messageId: string, method: string, change: 'add' | 'delete'): void {
    this.routes[change](method.toUpperCase());
    this.reply(messageId, 'OK');
  }

  #sip(messageId: string, transactionId: string, route: string, text: string): void {
    if (!text.startsWith('SIP/')) this.handlers.appRequest(this, messageId, route, text);
    else if (transactionId === '') this.#disconnect(messageId, 'transaction id missing');
    else this.handlers.appResponse(this, messageId, transactionId, text);
  }

  #disconnect(messageId: string, why: string): void {
    this.reply(messageId, `NO|${why}`);
    this.socket.end();
  }
}
