import type { Timers } from '../../lib/timers.ts';
import { tagOf } from '../../sip/from-to.ts';
import { headerValue, type ParsedRequest, type Wire } from '../../sip/message.ts';
import { branchOf, formatVia, MAGIC_COOKIE } from '../../sip/via.ts';
import { DelayQueue } from '../delay-queue.ts';
import { MAX_REQUESTS_IN_PROGRESS, MAX_SERVER_TRANSACTION_BYTES, MAX_SERVER_TRANSACTIONS } from '../limits.ts';
import type { Flow } from '../transports/transport.ts';
import { type PendingRequest, type ServerContext, ServerTransaction } from './server.ts';
import { TRANSACTION_MS } from './timer-values.ts';

/** The bounds of server transactions; those of limits.ts unless told otherwise. */
export interface ServerTransactionLimits {
  readonly transactions?: number;
  /** Those without a final response. */
  readonly unanswered?: number;
  readonly bytes?: number;
}

/** The requests that came in during the last 32 seconds, answered or not. */
export class ServerTransactions {
  readonly #byKey = new Map<string, ServerTransaction>();
  readonly #byMergeKey = new Map<string, ServerTransaction>();
  readonly #unanswered = new Set<ServerTransaction>();
  readonly #context: ServerContext;
  readonly #limit: number;
  readonly #unansweredLimit: number;
  readonly #byteLimit: number;
  /** What all of them keep. */
  #bytes = 0;

  constructor(
    timers: Timers,
    transmit: (response: Wire, tx: ServerTransaction) => boolean,
    limits: ServerTransactionLimits = {},
  ) {
    this.#limit = limits.transactions ?? MAX_SERVER_TRANSACTIONS;
    this.#unansweredLimit = limits.unanswered ?? MAX_REQUESTS_IN_PROGRESS;
    this.#byteLimit = limits.bytes ?? MAX_SERVER_TRANSACTION_BYTES;
    this.#context = {
      noAnswer: new DelayQueue(TRANSACTION_MS, timers, (tx) => tx.expire('no answer')),
      timerJ: new DelayQueue(TRANSACTION_MS, timers, (tx) => tx.expire('timer J')),
      transmit,
      answered: (tx, freed) => {
        this.#settle(tx);
        this.#bytes -= freed;
        this.#makeRoom(this.#limit, this.#byteLimit);
      },
      // 8.2.2.2 speaks of ongoing transactions: a proxy that was refused may well try another way to us.
      refused: (tx) => this.#forgetMergeKey(tx),
      terminated: (tx) => {
        this.#settle(tx);
        if (this.#byKey.delete(tx.key)) this.#bytes -= tx.bytes;
        this.#forgetMergeKey(tx);
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
  isMerged(request: ParsedRequest): boolean {
    const key = mergeKeyOf(request);
    const first = key === undefined ? undefined : this.#byMergeKey.get(key);
    // A phone whose NAT has given it another port repeats its request from there: no copy, only from elsewhere.
    return first !== undefined && !first.key.startsWith(`${identityOf(request)} `);
  }

  /**
   * Opens a transaction for a request that {@link match} did not find. When the table is full, the answers that were kept
   * longest are forgotten early: a retransmission so late is the least likely one. Undefined when that does not help.
   * @param bytes of the request
   */
  open(request: ParsedRequest, bytes: number, flow: Flow, pending: PendingRequest): ServerTransaction | undefined {
    if (this.#unanswered.size >= this.#unansweredLimit) return undefined;
    this.#makeRoom(this.#limit - 1, this.#byteLimit - bytes);
    if (this.#byKey.size >= this.#limit || this.#bytes + bytes > this.#byteLimit) return undefined;
    const key = transactionKey(request, flow);
    const merge = mergeKeyOf(request);
    const tx = new ServerTransaction(key, merge, flow, pending, bytes, this.#context);
    this.#bytes += bytes;
    this.#byKey.set(key, tx);
    if (merge !== undefined) this.#byMergeKey.set(merge, tx);
    this.#unanswered.add(tx);
    flow.hold();
    return tx;
  }

  /** Forgets all of them; a response that comes later is dropped. */
  clear(): void {
    for (const tx of [...this.#unanswered]) tx.expire('no answer');
    this.#context.noAnswer.clear();
    this.#context.timerJ.clear();
    this.#byKey.clear();
    this.#byMergeKey.clear();
    this.#bytes = 0;
  }

  #settle(tx: ServerTransaction): void {
    if (this.#unanswered.delete(tx)) tx.flow.release();
  }

  #forgetMergeKey(tx: ServerTransaction): void {
    if (tx.mergeKey !== undefined && this.#byMergeKey.get(tx.mergeKey) === tx) this.#byMergeKey.delete(tx.mergeKey);
    tx.mergeKey = undefined;
  }

  /** Forgets the oldest answers until no more than so many transactions are kept, and bytes, or no answer is left. */
  #makeRoom(transactions: number, bytes: number): void {
    while (this.#byKey.size > transactions || this.#bytes > bytes) {
      const oldest = this.#context.timerJ.oldest;
      if (!oldest) return;
      oldest.expire('timer J');
    }
  }
}

/**
 * What makes two requests the same one for us: what RFC 3261 names, and the source. A retransmission comes from where the
 * request came from; nobody else can have its answer sent there again.
 */
export function transactionKey(request: ParsedRequest, { address, port }: { address: string; port: number }): string {
  return `${identityOf(request)} ${address} ${port}`;
}

/**
 * RFC 3261 17.2.3: branch, sent-by and method of the top Via; of a client that knows no branches (RFC 2543), everything
 * that a retransmission repeats.
 */
function identityOf({ topVia, method, uri, from, to, callId, cseq }: ParsedRequest): string {
  const branch = branchOf(topVia);
  // The cookie alone is no branch (RFC 4475 3.2.1).
  if (branch.startsWith(MAGIC_COOKIE) && branch !== MAGIC_COOKIE)
    return `${branch} ${topVia.host}:${topVia.port ?? ''} ${method}`;
  return [uri, tagOf(to), tagOf(from), callId, cseq.number, method, formatVia(topVia)].join(' ');
}

/**
 * What a request and its copy that took another way have in common (RFC 3261 8.2.2.2): the tag of From, Call-ID and CSeq,
 * and no tag in To. The credentials count too: a client that repeats a challenged request under its old CSeq is wrong
 * (22.2), but sends no copy. Undefined for a client that gives no tag (RFC 2543).
 */
function mergeKeyOf({ from, to, callId, cseq, headers }: ParsedRequest): string | undefined {
  const tag = tagOf(from);
  if (tag === undefined || tagOf(to) !== undefined) return undefined;
  return [tag, callId, cseq.number, cseq.method, headerValue(headers, 'Authorization')].join(' ');
}
