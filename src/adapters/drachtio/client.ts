import { systemTimers, type Timers } from '../../lib/timers.ts';
import { Unavailable } from '../../ports/errors.ts';
import type { OutboundRequest } from '../../ports/sip-server.ts';
import type { SipResponse } from '../../sip/message.ts';
import { type Answered, readSent, writeRequest } from './requests.ts';

/** 10 000 registrations and as many pings at a time, some 1 KB each. */
const MAX_OPEN = 20_000;

interface OpenRequest {
  readonly resolve: (response: SipResponse) => void;
  readonly reject: (error: Unavailable) => void;
  transactionId?: string;
}

/**
 * Our requests without a final response. The server acknowledges each with a transaction id, which its responses carry.
 */
export class OpenRequests {
  readonly #unacknowledged = new Map<string, OpenRequest>();
  readonly #byTransaction = new Map<string, OpenRequest>();
  /** Responses that arrived before the acknowledgement of their request; the protocol does not rule that out. */
  readonly #early = new Map<string, SipResponse>();

  /** @param write sends a message; returns its id, or undefined without a connection */
  constructor(
    private readonly write: (text: string) => string | undefined,
    private readonly timers: Timers = systemTimers,
  ) {}

  /** See SipClient.request. @throws Unavailable also for a request that cannot be composed */
  async send(request: OutboundRequest, deadlineMs: number): Promise<SipResponse> {
    if (this.#unacknowledged.size + this.#byTransaction.size >= MAX_OPEN) throw failure('too many requests are open');
    const messageId = this.write(textOf(request));
    if (messageId === undefined) throw failure('not connected');
    const { promise, resolve, reject } = Promise.withResolvers<SipResponse>();
    const open: OpenRequest = { resolve, reject };
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

  /** @returns false when the message is none of these requests */
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

  /** Ignores provisional responses, and those to no open request. */
  answered({ transactionId, response }: Answered): void {
    if (response.status < 200) return;
    const open = this.#byTransaction.get(transactionId);
    if (open) {
      this.#byTransaction.delete(transactionId);
      open.resolve(response);
    } else if (this.#unacknowledged.size > 0 && this.#early.size < MAX_OPEN) this.#early.set(transactionId, response);
  }

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
