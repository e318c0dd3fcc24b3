import { tagOf } from '../../sip/from-to.ts';
import { headerValue, type SipRequest, type Wire } from '../../sip/message.ts';
import { branchOf, formatVia, MAGIC_COOKIE } from '../../sip/via.ts';
import type { Clock } from '../clock.ts';
import { DelayQueue } from '../delay-queue.ts';
import { MAX_SERVER_TRANSACTIONS } from '../limits.ts';
import type { Flow } from '../transports/transport.ts';
import { type Question, type ServerContext, ServerTransaction } from './server.ts';
import { TRANSACTION_MS } from './timer-values.ts';

/** The requests that came in during the last 32 seconds, answered or not. */
export class ServerTransactions {
  readonly #byKey = new Map<string, ServerTransaction>();
  readonly #byMergeKey = new Map<string, ServerTransaction>();
  readonly #unanswered = new Map<string, ServerTransaction>();
  readonly #context: ServerContext;

  constructor(
    clock: Clock,
    transmit: (response: Wire, tx: ServerTransaction) => boolean,
    private readonly limit = MAX_SERVER_TRANSACTIONS,
  ) {
    this.#context = {
      noAnswer: new DelayQueue(TRANSACTION_MS, clock, (tx) => tx.expire('no answer')),
      timerJ: new DelayQueue(TRANSACTION_MS, clock, (tx) => tx.expire('timer J')),
      transmit,
      answered: (tx) => this.#settle(tx),
      terminated: (tx) => {
        this.#settle(tx);
        this.#byKey.delete(tx.key);
        if (tx.mergeKey !== undefined && this.#byMergeKey.get(tx.mergeKey) === tx) this.#byMergeKey.delete(tx.mergeKey);
      },
    };
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** The transaction that a request is a retransmission of. */
  match(key: string): ServerTransaction | undefined {
    return this.#byKey.get(key);
  }

  /** Whether a request that {@link match} did not find is a copy, on another way, of one that it would find. */
  isMerged(request: SipRequest): boolean {
    const key = mergeKey(request);
    return key !== undefined && this.#byMergeKey.has(key);
  }

  /**
   * Opens a transaction for a request that {@link match} did not find. When the table is full, the answer that was kept
   * longest is forgotten early: a retransmission so late is the least likely one. Undefined when there is none.
   */
  open(request: SipRequest, key: string, id: string, flow: Flow, question: Question): ServerTransaction | undefined {
    if (this.#byKey.size >= this.limit) this.#context.timerJ.oldest?.expire('timer J');
    if (this.#byKey.size >= this.limit) return undefined;
    const merge = mergeKey(request);
    const tx = new ServerTransaction(id, key, merge, flow, question, this.#context);
    this.#byKey.set(key, tx);
    if (merge !== undefined) this.#byMergeKey.set(merge, tx);
    this.#unanswered.set(id, tx);
    flow.hold();
    return tx;
  }

  /** The transaction of that id, as long as it waits for its final response. */
  awaiting(id: string): ServerTransaction | undefined {
    return this.#unanswered.get(id);
  }

  /** The transactions that an app has left without an answer. */
  leftBy(owner: object): ServerTransaction[] {
    return [...this.#unanswered.values()].filter((tx) => tx.question?.owner === owner);
  }

  clear(): void {
    this.#context.noAnswer.clear();
    this.#context.timerJ.clear();
    this.#byKey.clear();
    this.#byMergeKey.clear();
    this.#unanswered.clear();
  }

  #settle(tx: ServerTransaction): void {
    if (this.#unanswered.delete(tx.id)) tx.flow.release();
  }
}

/**
 * What makes two requests the same one (RFC 3261 17.2.3): branch, sent-by and method of the top Via; for a client that
 * knows no branches (RFC 2543), everything that a retransmission repeats.
 */
export function transactionKey({ topVia, method, uri, from, to, callId, cseq }: SipRequest): string {
  const branch = branchOf(topVia);
  if (branch.startsWith(MAGIC_COOKIE)) return `${branch} ${topVia.host}:${topVia.port ?? ''} ${method}`;
  return [uri, tagOf(to), tagOf(from), callId, cseq.number, method, formatVia(topVia)].join(' ');
}

/**
 * What a request and its copy that took another way have in common (RFC 3261 8.2.2.2): the tag of From, Call-ID and CSeq,
 * and no tag in To. The credentials count too: a client that repeats a challenged request under its old CSeq is wrong
 * (22.2), but sends no copy. Undefined for a client that gives no tag (RFC 2543).
 */
function mergeKey({ from, to, callId, cseq, headers }: SipRequest): string | undefined {
  const tag = tagOf(from);
  if (tag === undefined || tagOf(to) !== undefined) return undefined;
  return [tag, callId, cseq.number, cseq.method, headerValue(headers, 'Authorization')].join(' ');
}
