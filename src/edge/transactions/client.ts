import type { ParsedResponse } from '../../sip/message.ts';
import type { Delay, DelayQueue } from '../delay-queue.ts';
import type { Flow } from '../transports/transport.ts';

/**
 * The non-INVITE client transaction, RFC 3261 17.1.2.2 and figure 6: one function per state, which takes an event and
 * returns the next state.
 */
type State = (tx: ClientTransaction, input: Input) => State;
type Input = 'provisional' | 'final' | 'timer E' | 'timer F' | 'timer K' | 'transport error';

const trying: State = (tx, input) => {
  switch (input) {
    // 17.1.2.2, timer E in Trying: retransmit, and restart the timer with twice its length, up to T2.
    case 'timer E':
      tx.transmit();
      tx.restartTimerE();
      return trying;
    // 17.1.2.2: timers E and F go on.
    case 'provisional':
      tx.passResponse();
      return proceeding;
    // 17.1.4, after one try over a new connection if the request was sent over one that was open before.
    case 'transport error':
      return (tx.reconnect() ? undefined : ending(tx, input)) ?? trying;
    case 'timer F':
      tx.flow.retire();
      return ending(tx, input) ?? trying;
    default:
      return ending(tx, input) ?? trying;
  }
};

const proceeding: State = (tx, input) => {
  switch (input) {
    // 17.1.2.2, timer E in Proceeding: retransmit, and restart the timer with T2.
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

/** The events that end both Trying and Proceeding. */
function ending(tx: ClientTransaction, input: Input): State | undefined {
  switch (input) {
    case 'final':
      tx.passResponse();
      return complete(tx);
    // 17.1.2.2; 8.1.3.1: a timeout counts as 408.
    case 'timer F':
      tx.passFailure(408);
      return terminate(tx);
    // 17.1.4; 8.1.3.1: a transport error counts as 503.
    case 'transport error':
      tx.passFailure(503);
      return terminate(tx);
    default:
      return undefined;
  }
}

const completed: State = (tx, input) => {
  switch (input) {
    // 17.1.2.2: timer K ends Completed.
    case 'timer K':
      return terminate(tx);
    // 17.1.2.2: Completed absorbs retransmissions of the response.
    default:
      return completed;
  }
};

const terminated: State = () => terminated;

/** 17.1.2.2, entering Completed: timer K is T4 on an unreliable transport, else zero. */
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

export interface ClientContext {
  /** One queue for each length of timer E, see {@link RETRANSMIT_MS}. */
  readonly timerE: readonly DelayQueue<ClientTransaction>[];
  readonly timerF: DelayQueue<ClientTransaction>;
  readonly timerK: DelayQueue<ClientTransaction>;
  /** The transaction goes on over another flow. */
  moved(tx: ClientTransaction, from: Flow): void;
  terminated(tx: ClientTransaction): void;
}

export interface ClientUser {
  /** @param bytes length on the wire */
  response(response: ParsedResponse, flow: Flow, bytes: number): void;
  /**
   * No final response in time (408), or transport error (503).
   * @param why in words for an operator
   */
  failure(status: 408 | 503, why: string): void;
}

export class ClientTransaction {
  #state: State = trying;
  #retransmissions = 0;
  #timerE: Delay<ClientTransaction> | undefined;
  #last: Delay<ClientTransaction>;
  #flow: Flow;
  #newFlow: (() => Flow | undefined) | undefined;
  #transportError = '';
  #response: { readonly message: ParsedResponse; readonly flow: Flow; readonly bytes: number } | undefined;

  /** @param newFlow replaces, once, a flow that has ended before any response */
  constructor(
    readonly key: string,
    private readonly wire: string,
    flow: Flow,
    private readonly user: ClientUser,
    private readonly context: ClientContext,
    newFlow?: () => Flow | undefined,
  ) {
    this.#flow = flow;
    this.#newFlow = newFlow;
    this.#last = context.timerF.add(this);
  }

  /** 17.1.2.2, entering Trying: sends the request; timer E starts with T1 on an unreliable transport. */
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

  transportFailed(why: string): void {
    this.#transportError = why;
    this.#state = this.#state(this, 'transport error');
  }

  /** Ends it before its final response and without a call of its user. */
  abandon(): void {
    if (this.#state === trying) this.flow.retire();
    this.#state = terminate(this);
  }

  get flow(): Flow {
    return this.#flow;
  }

  /** Whether a response, provisional or final, has come. */
  get responded(): boolean {
    return this.#response !== undefined;
  }

  get waiting(): boolean {
    return this.#state === trying || this.#state === proceeding;
  }

  // For the states above.

  transmit(): void {
    const { flow } = this;
    if (!flow.send(this.wire)) queueMicrotask(() => this.transportFailed(flow.why));
  }

  /** Sends the request over a new flow; false when there is none to be had. */
  reconnect(): boolean {
    const from = this.#flow;
    const flow = this.#newFlow?.();
    this.#newFlow = undefined;
    if (!flow) return false;
    this.#flow = flow;
    this.context.moved(this, from);
    this.transmit();
    return true;
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
    const late = this.responded ? 'no final response' : 'no response';
    this.user.failure(status, status === 408 ? late : this.#transportError);
  }

  forget(): void {
    this.stopTimers();
    this.context.terminated(this);
  }
}
