import type { Header, Wire } from '../../sip/message.ts';
import type { Delay, DelayQueue } from '../delay-queue.ts';
import type { Flow } from '../transports/transport.ts';

/**
 * The non-INVITE server transaction, RFC 3261 17.2.2 and figure 8: one function per state, which is given what has
 * happened (and the response, when that is what has) and returns the state that follows.
 */
type State = (tx: ServerTransaction, input: Input, response: Wire) => State;
type Input = 'request' | 'provisional' | 'final' | 'no answer' | 'timer J';

const trying: State = (tx, input, response) => {
  switch (input) {
    // "Once in the "Trying" state, any further request retransmissions are discarded."
    case 'request':
      return trying;
    // "If the TU passes a provisional response … the server transaction MUST enter the "Proceeding" state."
    case 'provisional':
      tx.transmit(response);
      return proceeding;
    case 'final':
      tx.transmit(response);
      return complete(tx);
    // The app never answered; by now the client has given up (timer F), and an answer would reach nobody.
    case 'no answer':
      return terminate(tx);
    default:
      return trying;
  }
};

const proceeding: State = (tx, input, response) => {
  switch (input) {
    // "If a retransmission of the request is received … the most recently sent provisional response MUST be passed to
    // the transport layer for retransmission."
    case 'request':
      tx.retransmit();
      return proceeding;
    case 'provisional':
      tx.transmit(response);
      return proceeding;
    case 'final':
      tx.transmit(response);
      return complete(tx);
    case 'no answer':
      return terminate(tx);
    default:
      return proceeding;
  }
};

const completed: State = (tx, input) => {
  switch (input) {
    // "While in the "Completed" state, the server transaction MUST pass the final response to the transport layer for
    // retransmission whenever a retransmission of the request is received."
    case 'request':
      tx.retransmit();
      return completed;
    case 'timer J':
      return terminate(tx);
    // "Any other final responses passed by the TU … MUST be discarded."
    default:
      return completed;
  }
};

const terminated: State = () => terminated;

/**
 * "When the server transaction enters the "Completed" state, it MUST set Timer J to fire in 64*T1 seconds for unreliable
 * transports, and zero seconds for reliable transports."
 */
function complete(tx: ServerTransaction): State {
  tx.answered();
  if (tx.flow.transport.reliable) return terminate(tx);
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
  transmit(response: Wire, tx: ServerTransaction): void;
  /** It has its final response: the app has no more say in it. */
  answered(tx: ServerTransaction): void;
  terminated(tx: ServerTransaction): void;
}

/** What an app needs to answer, and who it is. Forgotten with the answer: thousands of answers are kept for 32 s. */
export interface Question {
  /** The headers of the request, its source in the top Via. */
  readonly headers: readonly Header[];
  readonly owner: object;
}

/** The sent-by of the top Via: host, and port if it is not the usual one. */
export interface SentBy {
  readonly host: string;
  readonly port?: number;
}

export class ServerTransaction {
  #state: State = trying;
  #response: Wire = '';
  #delay: Delay<ServerTransaction>;

  constructor(
    /** What the app calls it. */
    readonly id: string,
    /** What the network calls it: {@link transactionKey}. */
    readonly key: string,
    readonly flow: Flow,
    /** Where a response goes whose flow has ended. */
    readonly sentBy: SentBy,
    public question: Question | undefined,
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
  }

  expire(timer: 'no answer' | 'timer J'): void {
    this.#state = this.#state(this, timer, '');
  }

  // What follows is for the states above.

  transmit(response: Wire): void {
    this.#response = response;
    this.retransmit();
  }

  retransmit(): void {
    this.context.transmit(this.#response, this);
  }

  answered(): void {
    this.#delay.cancel();
    this.question = undefined;
    this.context.answered(this);
  }

  startTimerJ(): void {
    this.#delay = this.context.timerJ.add(this);
  }

  forget(): void {
    this.#delay.cancel();
    this.context.terminated(this);
  }
}
