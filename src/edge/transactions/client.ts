import type { SipRequest, SipResponse, Wire } from '../../sip/message.ts';
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
    // "If timer E fires while in this state, it is reset with a value of MIN(2*T1, T2) … and the request is
    // retransmitted"; each time the interval doubles until it is T2.
    case 'timer E':
      tx.transmit();
      tx.restartTimerE();
      return trying;
    case 'provisional':
      tx.passResponse();
      return proceeding;
    default:
      return ending(tx, input) ?? trying;
  }
};

const proceeding: State = (tx, input) => {
  switch (input) {
    // "If Timer E fires while in the "Proceeding" state, the request MUST be passed to the transport layer for
    // retransmission, and Timer E MUST be reset with a value of T2 seconds."
    case 'timer E':
      tx.transmit();
      tx.restartTimerE('T2');
      return proceeding;
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
    case 'final':
      tx.passResponse();
      return complete(tx);
    // "If Timer F fires while the client transaction is still in the "Trying" state, the client transaction SHOULD inform
    // the TU about the timeout, and then it SHOULD enter the "Terminated" state."
    case 'timer F':
      tx.passFailure(408);
      return terminate(tx);
    // 8.1.3.1: a transport error is treated "as a 503 (Service Unavailable) status code".
    case 'transport error':
      tx.passFailure(503);
      return terminate(tx);
    default:
      return undefined;
  }
}

const completed: State = (tx, input) => {
  switch (input) {
    case 'timer K':
      return terminate(tx);
    // "The "Completed" state exists to buffer any additional response retransmissions that may be received."
    default:
      return completed;
  }
};

const terminated: State = () => terminated;

/**
 * "Once the client transaction enters the "Completed" state, it MUST set Timer K to fire in T4 seconds for unreliable
 * transports, and zero seconds for reliable transports."
 */
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
  response(response: SipResponse, flow: Flow, bytes: number): void;
  /** No answer in time (408), or no way to the peer (503). */
  failure(status: 408 | 503): void;
}

export class ClientTransaction {
  #state: State = trying;
  #retransmissions = 0;
  #timerE: Delay<ClientTransaction> | undefined;
  /** Timer F, later K. */
  #last: Delay<ClientTransaction>;
  #response: { readonly message: SipResponse; readonly flow: Flow; readonly bytes: number } | undefined;

  constructor(
    readonly id: string,
    readonly key: string,
    readonly request: SipRequest,
    private readonly wire: Wire,
    readonly flow: Flow,
    private readonly user: ClientUser,
    private readonly context: ClientContext,
  ) {
    this.#last = context.timerF.add(this);
  }

  /** "The request MUST be passed to the transport layer for transmission", and timers E and F are set. */
  start(): void {
    if (!this.flow.transport.reliable) this.restartTimerE();
    this.transmit();
  }

  receive(message: SipResponse, flow: Flow, bytes: number): void {
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
