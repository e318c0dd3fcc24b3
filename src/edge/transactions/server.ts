import type { Header, Wire } from '../../sip/message.ts';
import type { Delay, DelayQueue } from '../delay-queue.ts';
import { MAX_KEPT_ANSWER_BYTES, MAX_RESENDS } from '../limits.ts';
import type { Flow } from '../transports/transport.ts';

/**
 * The non-INVITE server transaction, RFC 3261 17.2.2 and figure 8: one function per state, which takes an event (and
 * the response, if it is one) and returns the next state.
 */
type State = (tx: ServerTransaction, input: Input, response: Wire) => State;
type Input = 'request' | 'provisional' | 'final' | 'no answer' | 'timer J' | 'transport error';

const trying: State = (tx, input, response) => {
  switch (input) {
    // 17.2.2: Trying discards retransmissions of the request.
    case 'request':
      return trying;
    case 'provisional':
      tx.transmit(response);
      return proceeding;
    case 'final':
      tx.transmit(response);
      return complete(tx);
    // Not in the RFC, whose users always respond: the client's timer F has fired by now.
    case 'no answer':
      return terminate(tx);
    default:
      return trying;
  }
};

const proceeding: State = (tx, input, response) => {
  switch (input) {
    // 17.2.2: a retransmission gets the last provisional response.
    case 'request':
      tx.resend();
      return proceeding;
    case 'provisional':
      tx.transmit(response);
      return proceeding;
    case 'final':
      tx.transmit(response);
      return complete(tx);
    case 'no answer':
    // 17.2.2: a response that cannot be sent ends Proceeding and Completed.
    case 'transport error':
      return terminate(tx);
    default:
      return proceeding;
  }
};

const completed: State = (tx, input) => {
  switch (input) {
    // 17.2.2: a retransmission gets the final response.
    case 'request':
      tx.resend();
      return completed;
    // 17.2.2: timer J ends Completed.
    case 'timer J':
    case 'transport error':
      return terminate(tx);
    // 17.2.2: further responses of the user are discarded.
    default:
      return completed;
  }
};

const terminated: State = () => terminated;

/**
 * 17.2.2, entering Completed: timer J is 64*T1 on an unreliable transport, else zero. Zero also for a very long
 * response, which is not kept: a retransmission counts as a new request.
 */
function complete(tx: ServerTransaction): State {
  tx.answered();
  if (tx.flow.transport.reliable || tx.bytes > MAX_KEPT_ANSWER_BYTES) return terminate(tx);
  tx.startTimerJ();
  return completed;
}

function terminate(tx: ServerTransaction): State {
  tx.forget();
  return terminated;
}

export interface ServerContext {
  readonly noAnswer: DelayQueue<ServerTransaction>;
  readonly timerJ: DelayQueue<ServerTransaction>;
  /** Sends a response; false when there is no way to the client. */
  transmit(response: Wire, tx: ServerTransaction): boolean;
  answered(tx: ServerTransaction, freedBytes: number): void;
  /** The final response was not 2xx. */
  refused(tx: ServerTransaction): void;
  terminated(tx: ServerTransaction): void;
}

/** What a response needs of its request; an answered transaction keeps only the response. */
export interface PendingRequest {
  /** With the source in the top Via. */
  readonly headers: readonly Header[];
  /** The sent-by of the top Via, where the response goes if the flow has ended (RFC 3261 18.2.2). */
  readonly sentBy: { readonly host: string; readonly port?: number };
}

export class ServerTransaction {
  #state: State = trying;
  #response: Wire = '';
  #resends = 0;
  #delay: Delay<ServerTransaction>;

  constructor(
    readonly key: string,
    public mergeKey: string | undefined,
    readonly flow: Flow,
    public request: PendingRequest | undefined,
    /** Length of what it keeps: the request, then the response. */
    public bytes: number,
    private readonly context: ServerContext,
  ) {
    this.#delay = context.noAnswer.add(this);
  }

  retransmitted(): void {
    this.#state = this.#state(this, 'request', '');
  }

  /** Sends a response; discards further ones after a final response. */
  respond(status: number, response: Wire): void {
    this.#state = this.#state(this, status < 200 ? 'provisional' : 'final', response);
    if (status >= 300) this.context.refused(this);
  }

  expire(timer: 'no answer' | 'timer J'): void {
    this.#state = this.#state(this, timer, '');
  }

  // For the states above.

  transmit(response: Wire): void {
    this.#response = response;
    this.#send();
  }

  /** Bounded, so that forged retransmissions cannot make the edge flood a client. */
  resend(): void {
    if (this.#resends++ < MAX_RESENDS) this.#send();
  }

  #send(): void {
    if (this.context.transmit(this.#response, this)) return;
    // Later, because the state function that sends has not returned yet.
    queueMicrotask(() => {
      this.#state = this.#state(this, 'transport error', '');
    });
  }

  answered(): void {
    this.#delay.cancel();
    this.request = undefined;
    const freed = this.bytes - this.#response.length;
    this.bytes = this.#response.length;
    this.context.answered(this, freed);
  }

  startTimerJ(): void {
    this.#delay = this.context.timerJ.add(this);
  }

  forget(): void {
    this.#delay.cancel();
    this.context.terminated(this);
  }
}
