import type { Timer, Timers } from '../lib/timers.ts';
import type { ParsedResponse } from '../sip/message.ts';
import type { ClientTransaction, ClientUser } from './transactions/client.ts';
import { T2, TRANSACTION_MS } from './transactions/timer-values.ts';
import type { Flow } from './transports/transport.ts';

/**
 * Time for a response by TCP, ms: the second SYN, sent after a second, for a connection that lost the first, and T2,
 * "the amount of time a non-INVITE server transaction will take to respond" (RFC 3261 17.1.2.2). It leaves UDP 27 of
 * the 32 s, nine of its eleven transmissions.
 */
export const TCP_PATIENCE_MS = 1_000 + T2;

/** A caller that waits for less than that has both tries all the same. */
const TCP_SHARE = 1 / 4;

interface Ways {
  byTcp(user: ClientUser): ClientTransaction;
  /** Undefined when nothing may be sent any more. */
  byUdp(user: ClientUser): ClientTransaction | undefined;
  /** The peer has responded by UDP and not by TCP. */
  onlyByUdp(): void;
}

/**
 * A request that is too long for UDP (RFC 3261 18.1.1): by TCP, and when the peer refuses TCP or is silent there, by UDP
 * in a transaction of its own. The first final response of either is taken; both have timer F together.
 */
export class LongRequest {
  #tcp: ClientTransaction | undefined;
  #udp: ClientTransaction | undefined;
  #patience: Timer | undefined;
  #timerF: Timer | undefined;
  #triedUdp = false;

  constructor(
    private readonly timers: Timers,
    private readonly user: ClientUser,
    private readonly ways: Ways,
  ) {}

  /** Calls the user after this returns. */
  start(withinMs: number): void {
    this.#patience = this.timers.after(Math.min(TCP_PATIENCE_MS, withinMs * TCP_SHARE), () => this.#tryUdp());
    this.#timerF = this.timers.after(TRANSACTION_MS, () => this.#fail(408, 'no response'));
    this.#tcp = this.ways.byTcp({
      response: (response, flow, bytes) => {
        // Even a provisional response shows that the peer has the request.
        this.#patience?.cancel();
        if (response.status >= 200) this.#tcp = undefined;
        if (!isMerged(response, this.#udp)) this.#pass(response, flow, bytes);
      },
      failure: (status, why) => {
        const responded = this.#tcp?.responded ?? false;
        this.#tcp = undefined;
        if (!responded && !this.#triedUdp) this.#tryUdp(status, why);
        else if (!this.#udp) this.#fail(status, why);
      },
    });
  }

  #tryUdp(status: 408 | 503 = 503, why = ''): void {
    this.#patience?.cancel();
    this.#triedUdp = true;
    this.#udp = this.ways.byUdp({
      response: (response, flow, bytes) => {
        if (response.status >= 200) this.#udp = undefined;
        if (isMerged(response, this.#tcp)) return;
        if (response.status >= 200 && !this.#tcp?.responded) this.ways.onlyByUdp();
        this.#pass(response, flow, bytes);
      },
      failure: (status, why) => {
        this.#udp = undefined;
        if (!this.#tcp) this.#fail(status, why);
      },
    });
    if (!this.#udp && !this.#tcp) this.#fail(status, why);
  }

  #pass(response: ParsedResponse, flow: Flow, bytes: number): void {
    if (response.status >= 200) this.#end();
    this.user.response(response, flow, bytes);
  }

  #fail(status: 408 | 503, why: string): void {
    this.#end();
    this.user.failure(status, why);
  }

  #end(): void {
    this.#timerF?.cancel();
    this.#tcp?.abandon();
    this.#udp?.abandon();
    this.#tcp = undefined;
    this.#udp = undefined;
  }
}

/** RFC 3261 8.2.2.2: the peer has the other copy in progress, and will respond to that. */
function isMerged({ status }: ParsedResponse, other: ClientTransaction | undefined): boolean {
  return status === 482 && other !== undefined;
}
