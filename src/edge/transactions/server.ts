import type { Header, Wire } from '../../sip/message.ts';
import type { Delay, DelayQueue } from '../delay-queue.ts';
import { MAX_KEPT_ANSWER_BYTES, MAX_RESENDS } from '../limits.ts';
import type { Flow } from '../transports/transport.ts';

/**
 * The non-INVITE server transaction, RFC 3261 17.2.2 and figure 8: one function per state, which is given what has
 * happened (and the response, when that is what has) and returns the state that follows.
 */
type State = (tx: ServerTransaction, input: Input, response: Wire) => State;
type Input = 'request' | 'provisional' | 'final' | 'no answer' | 'timer J' | 'transport error';

const trying: State = (tx, input, response) => {
  switch (input) {
    // 17.2.2: in Trying, retransmissions of the request are dropped.
    case 'request':
      return trying;
    // 17.2.2: a provisional response goes out and leads to Proceeding.
    case 'provisional':
      tx.transmit(response);
      return proceeding;
    // 17.2.2: a final response (200 to 699) goes out and leads to Completed.
    case 'final':
      tx.transmit(response);
      return complete(tx);
    // Not the RFC's, which has users that always answer: by now the client has given up (its timer F), and an answer
    // would reach nobody.
    case 'no answer':
      return terminate(tx);
    default:
      return trying;
  }
};

const proceeding: State = (tx, input, response) => {
  switch (input) {
    // 17.2.2: in Proceeding, a retransmission of the request gets the last provisional response once more.
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
    // 17.2.2: a response that the transport cannot send ends it, in Proceeding and in Completed.
    case 'transport error':
      return terminate(tx);
    default:
      return proceeding;
  }
};

const completed: State = (tx, input) => {
  switch (input) {
    // 17.2.2: in Completed, a retransmission of the request gets the final response once more.
    case 'request':
      tx.resend();
      return completed;
    // 17.2.2, timer J in Completed: it is over.
    case 'timer J':
    case 'transport error':
      return terminate(tx);
    // 17.2.2: further final responses of the user are dropped.
    default:
      return completed;
  }
};

const terminated: State = () => terminated;

/**
 * 17.2.2, entering Completed: timer J is 64*T1 on a transport that may lose or double messages, else zero. Zero also for
 * a very long answer: whoever asks for it again has to ask all of it again.
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

/** What a transaction needs of the table that holds it. */
export interface ServerContext {
  readonly noAnswer: DelayQueue<ServerTransaction>;
  readonly timerJ: DelayQueue<ServerTransaction>;
  /** Sends a response. False: there is no way to the client any more. */
  transmit(response: Wire, tx: ServerTransaction): boolean;
  /** It has its final response. */
  answered(tx: ServerTransaction, freedBytes: number): void;
  /** Its final response was none of success. */
  refused(tx: ServerTransaction): void;
  terminated(tx: ServerTransaction): void;
}

/** What it takes to answer. Forgotten once answered: for 32 s only the response is kept. */
export interface PendingRequest {
  /** The headers of the request, its source in the top Via. */
  readonly headers: readonly Header[];
  /** The sent-by of the top Via: where the response goes should its flow have ended. */
  readonly sentBy: { readonly host: string; readonly port?: number };
}

export class ServerTransaction {
  #state: State = trying;
  #response: Wire = '';
  #resends = 0;
  #delay: Delay<ServerTransaction>;

  constructor(
    /** See {@link transactionKey}. */
    readonly key: string,
    /** What a copy that took another way has in common with it: {@link mergeKeyOf}. */
    public mergeKey: string | undefined,
    readonly flow: Flow,
    public request: PendingRequest | undefined,
    /** How much it keeps: the request, and once it is answered the answer. */
    public bytes: number,
    private readonly context: ServerContext,
  ) {
    this.#delay = context.noAnswer.add(this);
  }

  /** The same request came in once more. */
  retransmitted(): void {
    this.#state = this.#state(this, 'request', '');
  }

  /** Sends the response; after a final one (200 and above) nothing more is taken. */
  respond(status: number, response: Wire): void {
    this.#state = this.#state(this, status < 200 ? 'provisional' : 'final', response);
    if (status >= 300) this.context.refused(this);
  }

  expire(timer: 'no answer' | 'timer J'): void {
    this.#state = this.#state(this, timer, '');
  }

  // What follows is for the states above.

  transmit(response: Wire): void {
    this.#response = response;
    this.#send();
  }

  /** A client asks no oftener, and whoever does so in its name shall not make us flood it. */
  resend(): void {
    if (this.#resends++ < MAX_RESENDS) this.#send();
  }

  #send(): void {
    if (this.context.transmit(this.#response, this)) return;
    // Once the state that has sent it is left.
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
