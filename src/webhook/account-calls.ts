import pLimit, { type LimitFunction } from 'p-limit';
import { loggableUrl } from '../lib/loggable-url.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timers } from '../lib/timers.ts';
import type { Account } from '../ports/directory.ts';
import { networkOf } from '../sip/ip.ts';
import { type CallResult, type WebhookCall, WebhookConnections } from './call.ts';
import { Circuit } from './circuit.ts';

export interface CallBounds {
  /** For a whole call, including the time it waits. */
  readonly timeoutMs: number;
  /** Concurrent calls per account, so that a slow customer does not delay others. */
  readonly concurrency: number;
}

/** Waiting calls per concurrent call; further ones would time out while waiting. */
const WAITING_PER_RUNNING = 10;
/** The part of an account's concurrent calls that one source may have, at least one. */
const SHARE_OF_SOURCE = 0.1;

/** A call that was not made, for no fault of the web server. */
export interface NotCalled {
  readonly kind: 'not called';
  readonly why: string;
}

/** The webhook calls of one account: their bounds, their connections and their circuit. */
export class AccountCalls {
  readonly #limit: LimitFunction;
  readonly #circuit: Circuit;
  readonly #connections = new WebhookConnections();
  /** Calls that run or wait. */
  readonly #bySource = new Map<string, number>();
  /** Of the last failed call. */
  #failure = { url: '', why: '' };

  constructor(
    account: Account,
    private readonly bounds: CallBounds,
    private readonly timers: Timers,
    logger: Logger,
  ) {
    this.#limit = pLimit(bounds.concurrency);
    const { sid, realm } = account;
    this.#circuit = new Circuit(timers, {
      onOpened: () => {
        logger.warn(
          { account: sid, realm, ...this.#failure },
          'webhook is down, its users are refused until it is back',
        );
      },
      onClosed: (outageMs) => {
        const { url } = this.#failure;
        logger.info({ account: sid, realm, url, outageSeconds: Math.round(outageMs / 1000) }, 'webhook is back');
      },
    });
  }

  get isDown(): boolean {
    return this.#circuit.isOpen;
  }

  /** Never rejects. @param address of the phone that the call is about */
  async call(call: WebhookCall, address: string): Promise<CallResult | NotCalled> {
    if (this.#circuit.refuses) return this.#down();
    const { concurrency } = this.bounds;
    const source = networkOf(address);
    const ofSource = this.#bySource.get(source) ?? 0;
    if (ofSource >= Math.max(1, Math.floor(concurrency * SHARE_OF_SOURCE)))
      return { kind: 'not called', why: 'too many calls of one source' };
    if (this.#limit.pendingCount >= concurrency * WAITING_PER_RUNNING)
      return { kind: 'unreachable', why: 'too many calls wait for this webhook' };
    this.#bySource.set(source, ofSource + 1);
    try {
      return await this.#inTurn(call);
    } finally {
      const left = (this.#bySource.get(source) ?? 1) - 1;
      if (left > 0) this.#bySource.set(source, left);
      else this.#bySource.delete(source);
    }
  }

  async #inTurn(call: WebhookCall): Promise<CallResult | NotCalled> {
    const { timeoutMs } = this.bounds;
    const deadline = new AbortController();
    const timer = this.timers.after(timeoutMs, () => deadline.abort());
    const askedAt = this.timers.monotonic();
    try {
      return await this.#limit(async () => {
        if (deadline.signal.aborted) return { kind: 'unreachable', why: 'timed out' };
        const hadTime = this.timers.monotonic() - askedAt <= timeoutMs / 2;
        // A call that had to wait for most of its time, and then timed out, says nothing of the web server.
        const hasFailed = (result: CallResult) => isOutage(result) && (hadTime || !deadline.signal.aborted);
        return (await this.#circuit.run(() => this.#send(call, deadline.signal), hasFailed)) ?? this.#down();
      });
    } finally {
      timer.cancel();
    }
  }

  #down(): NotCalled {
    return { kind: 'not called', why: `the webhook is down: ${this.#failure.why}` };
  }

  async #send(call: WebhookCall, signal: AbortSignal): Promise<CallResult> {
    const result = await this.#connections.call(call, signal);
    if (isOutage(result)) {
      const why = result.kind === 'unreachable' ? result.why : `status ${result.status}`;
      this.#failure = { url: loggableUrl(call.url.href), why };
    }
    return result;
  }
}

/** An answer of any other status shows that the web server is up. */
function isOutage(result: CallResult): boolean {
  return result.kind === 'unreachable' || result.status >= 500;
}
