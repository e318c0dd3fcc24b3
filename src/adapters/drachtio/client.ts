import { systemTimers, type Timers } from '../../lib/timers.ts';
import { Unavailable } from '../../ports/errors.ts';
import type { OutboundRequest } from '../../ports/sip-server.ts';
import type { SipResponse } from '../../sip/message.ts';
import { type Answered, readSent, writeRequest } from './requests.ts';

/** Ten thousand registrations and as many pings at one time; a kilobyte each. */
const MAX_OPEN = 20_000;

interface Open {
  readonly resolve: (response: SipResponse) => void;
  readonly reject: (error: Unavailable) => void;
  /** Once the server has told. */
  transactionId?: string;
}

/**
 * Our requests that have no final response yet. The server acknowledges each message with the id of a transaction, by
 * which it then names the responses.
 */
export class OpenRequests {
  /** By the id of the message, until the server has acknowledged it. */
  readonly #unacknowledged = new Map<string, Open>();
  readonly #byTransaction = new Map<string, Open>();
  /**
   * Final responses of transactions that nobody knows, while there are unacknowledged requests that they may belong to.
   * drachtio-server acknowledges first, but nothing in its protocol says that it must.
   */
  readonly #early = new Map<string, SipResponse>();

  /** @param write sends a text; returns the id of the message, undefined when there is no connection */
  constructor(
    private readonly write: (text: string) => string | undefined,
    private readonly timers: Timers = systemTimers,
  ) {}

  /** See SipClient.request. What cannot be sent at all, such as a line break in a value, is Unavailable too. */
  async send(request: OutboundRequest, deadlineMs: number): Promise<SipResponse> {
    if (this.#unacknowledged.size + this.#byTransaction.size >= MAX_OPEN) throw failure('too many requests are open');
    const messageId = this.write(textOf(request));
    if (messageId === undefined) throw failure('not connected');
    const { promise, resolve, reject } = Promise.withResolvers<SipResponse>();
    const open: Open = { resolve, reject };
    this.#unacknowledged.set(messageId, open);
    const timer = this.timers.after(deadlineMs, () => {
      this.#forget(messageId, open.transactionId);
      reject(failure(`no response to ${request.method} within ${deadlineMs} ms`));
    });
    try {
      return await promise;
    } finally {
      timer.cancel();
    }
  }

  /** Takes what acknowledges a message. @returns false when the message was none of these requests */
  acknowledged(messageId: string, acknowledgement: string): boolean {
    const open = this.#unacknowledged.get(messageId);
    if (!open) return false;
    const sent = readSent(acknowledgement);
    const early = sent.ok ? this.#early.get(sent.transactionId) : undefined;
    if (!sent.ok) open.reject(failure(sent.why));
    else if (early) open.resolve(early);
    else {
      open.transactionId = sent.transactionId;
      this.#byTransaction.set(sent.transactionId, open);
    }
    this.#forget(messageId);
    return true;
  }

  /** Takes a response; what is provisional, or answers nothing that is open, is thrown away. */
  answered({ transactionId, response }: Answered): void {
    if (response.status < 200) return;
    const open = this.#byTransaction.get(transactionId);
    if (open) {
      this.#byTransaction.delete(transactionId);
      open.resolve(response);
    } else if (this.#unacknowledged.size > 0 && this.#early.size < MAX_OPEN) this.#early.set(transactionId, response);
  }

  /** The connection is gone: the server will not tell anybody how these ended. */
  lost(): void {
    const open = [...this.#unacknowledged.values(), ...this.#byTransaction.values()];
    this.#unacknowledged.clear();
    this.#byTransaction.clear();
    this.#early.clear();
    for (const { reject } of open) reject(failure('connection lost'));
  }

  #forget(messageId: string, transactionId?: string): void {
    this.#unacknowledged.delete(messageId);
    if (this.#unacknowledged.size === 0) this.#early.clear();
    if (transactionId !== undefined) this.#byTransaction.delete(transactionId);
  }
}

function textOf(request: OutboundRequest): string {
  try {
    return writeRequest(request);
  } catch (error) {
    throw failure(error instanceof Error ? error.message : String(error));
  }
}

function failure(why: string): Unavailable {
  return new Unavailable('SIP server', why);
}
