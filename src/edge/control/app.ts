import type { Socket } from 'node:net';
import type { Wire } from '../../sip/message.ts';
import type { Clock } from '../clock.ts';
import type { Delay } from '../delay-queue.ts';
import { APP_SILENCE_MS, MAX_APP_BACKLOG_BYTES, MAX_APP_UNSENT_BYTES, MAX_ROUTES } from '../limits.ts';
import { Batch, joined } from '../tick.ts';
import { newId } from '../tokens.ts';
import { encodeFrame, FrameReader } from './frames.ts';

/** What an app may ask of the edge, once it has authenticated. */
export interface AppHandlers {
  /** What an app is told when it has authenticated: hostports, version, local hostports. */
  readonly welcome: string;
  isSecret(given: string): boolean;
  route(app: App, method: string): void;
  removeRoute(app: App, method: string): void;
  /** An answer to a request that the app was given. */
  response(app: App, msgId: string, transactionId: string, text: string): void;
  /** A new request to the network; `route` is where to, '' for where its Request-URI points. */
  request(app: App, msgId: string, route: string, text: string): void;
  /** The connection has ended. */
  left(app: App, why: string): void;
}

/** One connection of drachtio-srf: the server's side of the control protocol. */
export class App {
  #authenticated = false;
  readonly #deadline: Delay<App>;
  readonly #methods = new Set<string>();
  readonly #outbox = new Batch<Wire>((frames) => this.#write(frames));
  /** Bytes, or nearly so, in the outbox. */
  #collected = 0;
  #heardAt: number;
  #busySince: number | undefined;
  #why = 'it closed the connection';

  constructor(
    private readonly socket: Socket,
    private readonly handlers: AppHandlers,
    authentication: (app: App) => Delay<App>,
    private readonly clock: Clock,
  ) {
    this.#deadline = authentication(this);
    this.#heardAt = clock.now();
    const reader = new FrameReader((payload) => {
      if (this.open) this.#receive(payload);
    });
    socket.on('data', (chunk) => {
      // What comes after a farewell makes it no longer.
      if (!this.open) return;
      this.#heardAt = clock.now();
      if (!reader.push(chunk as Buffer)) this.close('bad frame');
    });
    // 'close' always follows, and tells the rest.
    socket.on('error', (error) => {
      this.#why = error.message;
    });
    socket.on('close', () => {
      this.#deadline.cancel();
      handlers.left(this, this.#why);
    });
  }

  get open(): boolean {
    return this.socket.writable;
  }

  /**
   * Whether it has so much before it that a request had better go elsewhere. One that does not answer any more while
   * others wait for it is disconnected.
   */
  get busy(): boolean {
    if (this.#collected + this.socket.writableLength < MAX_APP_BACKLOG_BYTES) {
      this.#busySince = undefined;
      return false;
    }
    const now = this.clock.now();
    // Before that it may have had nothing to say.
    this.#busySince ??= now;
    if (now - Math.max(this.#heardAt, this.#busySince) > APP_SILENCE_MS) this.destroy('it does not read');
    return true;
  }

  /** Sends a frame: its first line, and the SIP message after it if there is one. */
  send(leader: string, message: Wire = ''): void {
    const frame = encodeFrame(leader, message);
    this.#collected += frame.length;
    this.#outbox.add(frame);
  }

  /** Answers the app's message: `OK`, `OK|…` or `NOK|…`. */
  reply(msgId: string, result: string, message?: Wire): void {
    this.send(`${newId()}|response|${msgId}|${result}`, message);
  }

  /** Ends the connection once everything has been sent; the app has as long to do the same as it has to authenticate. */
  close(why: string): void {
    this.#why = why;
    this.#outbox.flushNow();
    this.socket.end();
    this.#deadline.restart();
  }

  /** Ends the connection once everything has been sent, and waits for nobody. */
  finish(why: string): void {
    this.#why = why;
    this.#outbox.flushNow();
    this.socket.end(() => this.socket.destroy());
    // One that does not read would never be done.
    if (this.socket.writableLength > 0) this.socket.destroy();
  }

  /** Ends the connection now. */
  destroy(why: string): void {
    this.#why = why;
    this.socket.destroy();
  }

  #receive(payload: string): void {
    const end = payload.indexOf('\r\n');
    const [msgId = '', type, ...args] = (end < 0 ? payload : payload.slice(0, end)).split('|');
    if (type === 'authenticate') this.#authenticate(msgId, args[0] ?? '');
    else if (!this.#authenticated) this.close('not authenticated');
    else if (type === 'sip' && end >= 0) this.#sip(msgId, args, payload.slice(end + 2));
    else if (type === 'route') this.#route(msgId, args[0] ?? '');
    else if (type === 'remove_route') this.#removeRoute(msgId, args[0] ?? '');
    else if (type === 'ping') this.reply(msgId, 'OK|pong');
    else this.#no(msgId, 'Unknown message type');
  }

  #authenticate(msgId: string, secret: string): void {
    if (this.handlers.isSecret(secret)) {
      this.#authenticated = true;
      this.#deadline.cancel();
      this.reply(msgId, `OK|${this.handlers.welcome}`);
    } else this.#no(msgId, 'incorrect secret');
  }

  #route(msgId: string, method: string): void {
    if (this.#methods.size >= MAX_ROUTES) {
      this.#no(msgId, 'too many routes');
      return;
    }
    this.#methods.add(method.toUpperCase());
    this.handlers.route(this, method.toUpperCase());
    this.reply(msgId, 'OK');
  }

  #removeRoute(msgId: string, method: string): void {
    this.#methods.delete(method.toUpperCase());
    this.handlers.removeRoute(this, method.toUpperCase());
    this.reply(msgId, 'OK');
  }

  #sip(msgId: string, [transactionId = '', , route = '']: string[], text: string): void {
    if (!text.startsWith('SIP/')) this.handlers.request(this, msgId, route, text);
    else if (transactionId === '') this.#no(msgId, 'transaction id missing');
    else this.handlers.response(this, msgId, transactionId, text);
  }

  /** What an app must not say twice. */
  #no(msgId: string, why: string): void {
    this.reply(msgId, `NO|${why}`);
    this.close(why);
  }

  #write(frames: readonly Wire[]): void {
    this.#collected = 0;
    if (!this.open) return;
    this.socket.write(joined(frames));
    if (this.socket.writableLength > MAX_APP_UNSENT_BYTES) this.destroy('it does not read');
  }
}
