import type { Socket } from 'node:net';
import type { MalformedMessage, ParsedMessage, Wire } from '../../sip/message.ts';
import type { Delay, DelayQueue } from '../delay-queue.ts';
import { MAX_UNSENT_BYTES } from '../limits.ts';
import { Batch, joined } from '../tick.ts';
import type { FairShare } from './fair-share.ts';
import type { KeptBytes } from './kept-bytes.ts';
import type { Flow, Transport, TransportEvents } from './transport.ts';

/** What is looked at in one go, between two looks at the number of requests under way: one or two messages. */
const SLICE_BYTES = 512;
/** What is looked at before everybody else has a turn: some milliseconds' worth of the cheapest things there are. */
const TURN_BYTES = 16_384;

/** How messages are told apart on one connection, and whatever else is said on it. */
export interface Session {
  /** Whether something has begun and not ended: a handshake, a message, the farewell. */
  readonly halfOpen: boolean;
  /** Bytes of what has begun. */
  readonly keptBytes: number;
  receive(chunk: Buffer): void;
  /** The bytes that carry a message. */
  encode(message: Wire): Wire;
}

/** What a session tells its connection. */
export interface SessionEvents {
  /** @param bytes its length on the wire */
  message(message: ParsedMessage, bytes: number): void;
  malformed(error: MalformedMessage): void;
  /** Bytes that were not worth an answer were dropped. */
  dropped(why: string): void;
  /** Sends bytes that are no message. */
  write(bytes: Wire): void;
  /** Sends the last bytes; the peer is to close its end within the time of a half-open message. */
  end(last?: Wire): void;
}

/** What connections share: their transport's queues. */
export interface ConnectionContext {
  readonly transport: Transport;
  readonly events: TransportEvents;
  readonly share: FairShare;
  readonly kept: KeptBytes;
  readonly connecting: DelayQueue<Connection>;
  readonly halfOpen: DelayQueue<Connection>;
  readonly idle: DelayQueue<Connection>;
  session(events: SessionEvents): Session;
  ended(connection: Connection): void;
}

/** The peer opened it, we opened it for a request, or to answer a peer whose own connection was gone. */
export type Origin = 'accepted' | 'opened' | 'called back';

/** One connection of a stream transport, whoever has opened it. */
export class Connection implements Flow {
  /** It can carry messages, or could before it ended. */
  established = false;
  /** Requests came over it. */
  served = false;
  /** Why it has ended. */
  why = 'the peer closed it';
  readonly transport: Transport;
  readonly #session: Session;
  readonly #idle: Delay<Connection>;
  /** For what has begun: the connection itself, a handshake, a message. */
  #deadline: Delay<Connection>;
  /** Requests that wait for an answer. */
  #held = 0;
  #reading = true;
  /** They are as many as it may have: nothing more is looked at until they are half as many. */
  #full = false;
  /** What the socket has given and was not looked at; it gives no more than it reads at once. */
  #unread: Buffer | undefined;
  readonly #outbox = new Batch<Wire>((messages) => this.#flush(messages));

  constructor(
    readonly origin: Origin,
    private readonly socket: Socket,
    readonly address: string,
    readonly port: number,
    /** Whom the peer has to prove to be; '' for nobody in particular. */
    readonly name: string,
    private readonly context: ConnectionContext,
  ) {
    const { transport, events } = context;
    this.transport = transport;
    this.#idle = context.idle.add(this);
    this.#deadline = (origin === 'accepted' ? context.halfOpen : context.connecting).add(this);
    this.#session = context.session({
      message: (message, bytes) => {
        // One message is complete: the next has its own time.
        this.#deadline.cancel();
        this.served ||= message.kind === 'request';
        events.message(message, this, bytes);
      },
      malformed: (error) => events.malformed(error, this),
      dropped: (why) => events.dropped(this, why),
      write: (bytes) => this.#write(bytes),
      end: (last) => {
        if (last !== undefined) this.#write(last);
        this.#outbox.flushNow();
        socket.end();
      },
    });
    socket.on('data', (chunk) => this.#receive(chunk as Buffer));
    // The socket ends its own side next: what is still to be said is said before.
    socket.prependListener('end', () => this.#outbox.flushNow());
    // 'close' always follows and tells the rest; refused and reset are the peer's everyday business.
    socket.on('error', (error) => {
      this.why = error.message;
    });
    socket.on('close', () => {
      this.#deadline.cancel();
      this.#idle.cancel();
      context.kept.forget(this);
      context.ended(this);
    });
  }

  /** Whether something can still be sent: neither end has closed it, though its end may not have been told yet. */
  get usable(): boolean {
    return !this.socket.destroyed && this.socket.writable;
  }

  /** The connection has come about, its handshake of TLS included. */
  establish(): void {
    this.established = true;
    this.#settle();
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
    // In its turn: others have come meanwhile.
    setImmediate(() => this.#goOn());
  }

  /** Discards everything that comes in from now on; what is sent still goes out. */
  stopReading(): void {
    this.#reading = false;
    this.#unread = undefined;
    // Closing a socket with unread bytes resets the connection, and the peer may lose a response that is on its way.
    this.socket.resume();
  }

  /** It may be idle for as long again. */
  stay(): void {
    this.#idle.restart();
  }

  /** Sends what is waiting and closes the connection. */
  close(why: string): void {
    this.#outbox.flushNow();
    this.destroy(why);
  }

  destroy(why: string): void {
    this.why = why;
    this.socket.destroy();
  }

  #write(bytes: Wire): boolean {
    if (!this.usable) return false;
    this.#outbox.add(bytes);
    return true;
  }

  #flush(messages: readonly Wire[]): void {
    if (!this.usable) return;
    this.socket.write(joined(messages));
    // A peer that lets us wait that long does not read, and its answers are no use to it.
    if (this.socket.writableLength > MAX_UNSENT_BYTES) this.destroy('the peer does not read');
  }

  #receive(chunk: Buffer): void {
    if (!this.#reading) return;
    this.#idle.restart();
    if (this.#unread) this.#unread = Buffer.concat([this.#unread, chunk]);
    else {
      const rest = this.#take(chunk);
      // A copy: the buffer may be used for what is read next.
      this.#unread = rest && Buffer.from(rest);
    }
    this.#settle();
  }

  #goOn(): void {
    if (this.socket.destroyed || this.#full || !this.#reading) return;
    this.#unread = this.#unread && this.#take(this.#unread);
    if (!this.#unread && !this.#full) this.socket.resume();
    this.#settle();
  }

  /** Hands the session as much as may be looked at now, and returns the rest. */
  #take(bytes: Buffer): Buffer | undefined {
    let at = 0;
    try {
      for (; at < Math.min(bytes.length, TURN_BYTES) && !this.#full; at += SLICE_BYTES)
        this.#session.receive(bytes.subarray(at, at + SLICE_BYTES));
    } catch (error) {
      this.context.events.fault(this, error);
      this.destroy('a fault of ours');
      return undefined;
    }
    if (at >= bytes.length) return undefined;
    this.socket.pause();
    if (!this.#full) setImmediate(() => this.#goOn());
    return bytes.subarray(at);
  }

  #settle(): void {
    const unread = (this.#unread?.length ?? 0) + this.socket.readableLength;
    this.context.kept.set(this, unread + this.#session.keptBytes);
    // Whoever has to wait for us is not slow.
    if (!this.#session.halfOpen || this.#full) this.#deadline.cancel();
    else if (!this.#deadline.waiting && !this.socket.destroyed) this.#deadline = this.context.halfOpen.add(this);
  }
}
