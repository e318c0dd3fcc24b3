import type { Socket } from 'node:net';
import type { MalformedMessage, ParsedMessage, Wire } from '../../sip/message.ts';
import type { Delay, DelayQueue } from '../delay-queue.ts';
import { MAX_UNSENT_BYTES } from '../limits.ts';
import { Batch, joined } from '../tick.ts';
import type { FairShare } from './fair-share.ts';
import type { KeptBytes } from './kept-bytes.ts';
import { reasonOf } from './reasons.ts';
import type { DropCause, Flow, Transport, TransportEvents } from './transport.ts';

/** Bytes between two checks of the number of unanswered requests: one or two messages. */
const SLICE_BYTES = 512;
/** Bytes of one connection per turn of the event loop, so that others are served in between. */
const TURN_BYTES = 16_384;

/** The protocol on one connection: finds the messages in its bytes. */
export interface Session {
  /** Whether an upgrade, a message or the closing is incomplete. */
  readonly halfOpen: boolean;
  readonly keptBytes: number;
  receive(chunk: Buffer): void;
  encode(message: Wire): Wire;
}

export interface SessionEvents {
  message(message: ParsedMessage, bytes: number): void;
  malformed(error: MalformedMessage): void;
  /** A malformed message whose end is unknown: nothing after it can be read. */
  broken(error: MalformedMessage): void;
  dropped(cause: DropCause, why: string): void;
  /** Sends bytes other than a message. */
  write(bytes: Wire): void;
  /** Sends the last bytes; the peer has the time of a half-open message to close its end. */
  end(last?: Wire): void;
}

export interface ConnectionContext {
  readonly transport: Transport;
  readonly events: TransportEvents;
  readonly share: FairShare;
  readonly kept: KeptBytes;
  readonly connecting: DelayQueue<Connection>;
  readonly halfOpen: DelayQueue<Connection>;
  readonly idle: DelayQueue<Connection>;
  session(events: SessionEvents): Session;
  retired(connection: Connection): void;
  ended(connection: Connection): void;
}

/** The peer opened it, or we did: for a request, or for a response whose connection had ended. */
export type Origin = 'accepted' | 'opened' | 'called back';

export class Connection implements Flow {
  established = false;
  /** Whether it has carried a request of the peer. */
  served = false;
  why = 'the peer closed the connection';
  /** The transport finds it by this. */
  key = '';
  readonly transport: Transport;
  readonly #session: Session;
  readonly #idle: Delay<Connection>;
  /** For what is half-open: the connection, a handshake, a message. */
  #deadline: Delay<Connection>;
  #held = 0;
  #reading = true;
  /** Unanswered requests have reached the limit; processing resumes at half of it. */
  #full = false;
  /** Bytes read and not processed; a paused socket delivers at most one more read. */
  #unread: Buffer | undefined;
  readonly #outbox = new Batch<Wire>((messages) => this.#flush(messages));

  constructor(
    readonly origin: Origin,
    private readonly socket: Socket,
    readonly address: string,
    readonly port: number,
    private readonly context: ConnectionContext,
  ) {
    const { transport, events } = context;
    this.transport = transport;
    this.#idle = context.idle.add(this);
    this.#deadline = (origin === 'accepted' ? context.halfOpen : context.connecting).add(this);
    this.#session = context.session({
      message: (message, bytes) => {
        // The next message has its own deadline.
        this.#deadline.cancel();
        this.served ||= message.kind === 'request';
        events.message(message, this, bytes);
      },
      malformed: (error) => events.malformed(error, this),
      broken: (error) => {
        this.why = `the peer sent what cannot be read: ${error.message}`;
        events.malformed(error, this);
        this.#end();
      },
      dropped: (cause, why) => events.dropped(this, cause, why),
      write: (bytes) => this.#write(bytes),
      end: (last) => {
        if (last !== undefined) this.#write(last);
        this.#end();
      },
    });
    socket.on('data', (chunk) => this.#receive(chunk as Buffer));
    // The socket ends its own side next.
    socket.prependListener('end', () => this.#outbox.flushNow());
    // 'close' always follows.
    socket.on('error', (error) => {
      this.why = reasonOf(error);
    });
    socket.on('close', () => {
      this.#deadline.cancel();
      this.#idle.cancel();
      context.kept.forget(this);
      context.ended(this);
    });
  }

  /** Whether messages can be sent; false before 'close' when either end has closed it. */
  get usable(): boolean {
    return !this.socket.destroyed && this.socket.writable;
  }

  /** The connection is open, after the TLS handshake if there is one. */
  establish(): void {
    this.established = true;
    this.#settle();
  }

  sendingTo(): Flow {
    return this;
  }

  send(message: Wire): boolean {
    return this.#write(this.#session.encode(message));
  }

  hold(): void {
    this.context.share.hold();
    if (++this.#held < this.context.share.each || this.#full) return;
    this.#full = true;
    this.socket.pause();
  }

  release(): void {
    this.context.share.release();
    if (--this.#held > this.context.share.each >> 1 || !this.#full) return;
    this.#full = false;
    // In a later turn, so that others come first.
    setImmediate(() => this.#resume());
  }

  /** Discards everything received from now on; {@link send} still works. */
  stopReading(): void {
    this.#reading = false;
    this.#unread = undefined;
    // Closing a socket with unread bytes resets the connection, and the peer may lose a response.
    this.socket.resume();
  }

  retire(): void {
    this.context.retired(this);
  }

  restartIdle(): void {
    this.#idle.restart();
  }

  close(why: string): void {
    this.#outbox.flushNow();
    this.destroy(why);
  }

  destroy(why: string): void {
    this.why = why;
    this.socket.destroy();
  }

  #end(): void {
    this.#outbox.flushNow();
    this.socket.end();
  }

  #write(bytes: Wire): boolean {
    if (!this.usable) return false;
    this.#outbox.add(bytes);
    return true;
  }

  #flush(messages: readonly Wire[]): void {
    if (!this.usable) return;
    this.socket.write(joined(messages));
    if (this.socket.writableLength > MAX_UNSENT_BYTES) this.destroy('the peer does not read');
  }

  #receive(chunk: Buffer): void {
    if (!this.#reading) return;
    this.#idle.restart();
    if (this.#unread) this.#unread = Buffer.concat([this.#unread, chunk]);
    else {
      const rest = this.#take(chunk);
      // A copy, because the socket may reuse the buffer.
      this.#unread = rest && Buffer.from(rest);
    }
    this.#settle();
  }

  #resume(): void {
    if (this.socket.destroyed || this.#full || !this.#reading) return;
    this.#unread = this.#unread && this.#take(this.#unread);
    if (!this.#unread && !this.#full) this.socket.resume();
    this.#settle();
  }

  /** Processes the bytes of this turn and returns the rest. */
  #take(bytes: Buffer): Buffer | undefined {
    let at = 0;
    try {
      for (; at < Math.min(bytes.length, TURN_BYTES) && !this.#full && !this.socket.destroyed; at += SLICE_BYTES)
        this.#session.receive(bytes.subarray(at, at + SLICE_BYTES));
    } catch (error) {
      this.context.events.fault(this, error);
      this.destroy('a fault of ours');
      return undefined;
    }
    if (at >= bytes.length || this.socket.destroyed) return undefined;
    this.socket.pause();
    if (!this.#full) setImmediate(() => this.#resume());
    return bytes.subarray(at);
  }

  #settle(): void {
    const unread = (this.#unread?.length ?? 0) + this.socket.readableLength;
    this.context.kept.set(this, unread + this.#session.keptBytes);
    // While reading is paused the peer is not slow.
    if (!this.#session.halfOpen || this.#full) this.#deadline.cancel();
    else if (!this.#deadline.waiting && !this.socket.destroyed) this.#deadline = this.context.halfOpen.add(this);
  }
}
