import type { ParsedResponse } from '../../sip/message.ts';
import type { Delay, DelayQueue } from '../delay-queue.ts';
import type { Flow } from '../transports/transport.ts';

/**
 * The non-INVITE client transaction, RFC 3261 17.1.2.2 and figure 6: one function per state, which is given what has
 * happened and returns the state that follows.
 */
type State = (tx: ClientTransaction, input: Input) => State;
type Input = 'provisional' | 'final' | 'timer E' | 'timer F' | 'timer K' | 'transport error';

const trying: State = (tx, input) => {
  switch (input) {
    // 17.1.2.2, timer E in Trying: the request goes out again and the timer starts anew with twice its length, up to T2.
    case 'timer E':
      tx.transmit();
      tx.restartTimerE();
      return trying;
    // 17.1.2.2: a provisional response in Trying goes to the user and leads to Proceeding; timers E and F go on.
    case 'provisional':
      tx.passResponse();
      return proceeding;
    default:
      return ending(tx, input) ?? trying;
  }
};

const proceeding: State = (tx, input) => {
  switch (input) {
    // 17.1.2.2, timer E in Proceeding: the request goes out again and the timer starts anew with T2, whatever it was.
    case 'timer E':
      tx.transmit();
      tx.restartTimerE('T2');
      return proceeding;
    // Figure 6: so does every further one.
    case 'provisional':
      tx.passResponse();
      return proceeding;
    default:
      return ending(tx, input) ?? proceeding;
  }
};

/** What ends Trying and Proceeding alike. */
function ending(tx: ClientTransaction, input: Input): State | undefined {
  switch (input) {
    // 17.1.2.2: a final response (200 to 699) goes to the user and leads to Completed.
    case 'final':
      tx.passResponse();
      return complete(tx);
    // 17.1.2.2, timer F in Trying or Proceeding: the user is told of the timeout (8.1.3.1: as of a 408), and it is over.
    case 'timer F':
      tx.passFailure(408);
      return terminate(tx);
    // 17.1.4: the user is told that the request did not get out (8.1.3.1: as of a 503), and it is over.
    case 'transport error':
      tx.passFailure(503);
      return terminate(tx);
    default:
      return undefined;
  }
}

const completed: State = (tx, input) => {
  switch (input) {
    // 17.1.2.2, timer K in Completed: it is over.
    case 'timer K':
      return terminate(tx);
    // 17.1.2.2: Completed is there to swallow the copies of the response that are still on their way.
    default:
      return completed;
  }
};

const terminated: State = () => terminated;

/** 17.1.2.2, entering Completed: timer K is T4 on a transport that may lose or double messages, else zero. */
function complete(tx: ClientTransaction): State {
  tx.stopTimers();
  if (tx.flow.transport.reliable) return terminate(tx);
  tx.startTimerK();
  return completed;
}

function terminate(tx: ClientTransaction): State {
  tx.forget();
  return terminated;
}

/** What a transaction needs of the table that holds it. */
export interface ClientContext {
  /** Timer E has four lengths: after 500 ms, 1 s, 2 s, and every 4 s. */
  readonly timerE: readonly DelayQueue<ClientTransaction>[];
  readonly timerF: DelayQueue<ClientTransaction>;
  readonly timerK: DelayQueue<ClientTransaction>;
  terminated(tx: ClientTransaction): void;
}

/** Whoever sent the request. */
export interface ClientUser {
  /** @param bytes the length of the response on the wire */
  response(response: ParsedResponse, flow: Flow, bytes: number): void;
  /** No answer in time (408), or no way to the peer (503). */
  failure(status: 408 | 503): void;
}

export class ClientTransaction {
  #state: State = trying;
  #retransmissions = 0;
  #timerE: Delay<ClientTransaction> | undefined;
  /** Timer F, later K. */
  #last: Delay<ClientTransaction>;
  #response: { readonly message: ParsedResponse; readonly flow: Flow; readonly bytes: number } | undefined;

  constructor(
    readonly key: string,
    private readonly wire: string,
    readonly flow: Flow,
    private readonly user: ClientUser,
    private readonly context: ClientContext,
  ) {
    this.#last = context.timerF.add(this);
  }

  /**
   * 17.1.2.2, entering Trying: the request goes out; timer F is set to 64*T1, timer E to T1 where a transport may lose it.
   */
  start(): void {
    if (!this.flow.transport.reliable) this.restartTimerE();
    this.transmit();
  }

  receive(message: ParsedResponse, flow: Flow, bytes: number): void {
    this.#response = { message, flow, bytes };
    this.#state = this.#state(this, message.status < 200 ? 'provisional' : 'final');
  }

  expire(timer: 'timer E' | 'timer F' | 'timer K'): void {
    this.#state = this.#state(this, timer);
  }

  transportFailed(): void {
    this.#state = this.#state(this, 'transport error');
  }

  get waiting(): boolean {
    return this.#state === trying || this.#state === proceeding;
  }

  // What follows is for the states above.

  transmit(): void {
    if (!this.flow.send(this.wire)) queueMicrotask(() => this.transportFailed());
  }

  restartTimerE(from?: 'T2'): void {
    const { timerE } = this.context;
    const step = from === 'T2' ? timerE.length - 1 : Math.min(this.#retransmissions++, timerE.length - 1);
    this.#timerE = timerE[step]?.add(this);
  }

  startTimerK(): void {
    this.#last = this.context.timerK.add(this);
  }

  stopTimers(): void {
    this.#timerE?.cancel();
    this.#last.cancel();
  }

  passResponse(): void {
    if (this.#response) this.user.response(this.#response.message, this.#response.flow, this.#response.bytes);
  }

  passFailure(status: 408 | 503): void {
    this.user.failure(status);
  }

  forget(): void {
    this.stopTimers();
    this.context.terminated(this);
  }
}
