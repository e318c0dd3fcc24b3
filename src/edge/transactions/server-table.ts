import type { Timers } from '../../lib/timers.ts';
import { tagOf } from '../../sip/from-to.ts';
import { headerValue, type ParsedRequest, type Wire } from '../../sip/message.ts';
import { branchOf, formatVia, MAGIC_COOKIE } from '../../sip/via.ts';
import { DelayQueue } from '../delay-queue.ts';
import { MAX_REQUESTS_IN_PROGRESS, MAX_SERVER_TRANSACTION_BYTES, MAX_SERVER_TRANSACTIONS } from '../limits.ts';
import type { Flow } from '../transports/transport.ts';
import { type PendingRequest, type ServerContext, ServerTransaction } from './server.ts';
import { TRANSACTION_MS } from './timer-values.ts';

/** Values that replace those of limits.ts. */
export interface ServerTransactionLimits {
  readonly transactions?: number;
  readonly unanswered?: number;
  readonly bytes?: number;
}

/** The server transactions: requests of the last 32 s, answered or not. */
export class ServerTransactions {
  readonly #byKey = new Map<string, ServerTransaction>();
  readonly #byMergeKey = new Map<string, ServerTransaction>();
  readonly #unanswered = new Set<ServerTransaction>();
  readonly #context: ServerContext;
  readonly #limit: number;
  readonly #unansweredLimit: number;
  readonly #byteLimit: number;
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
      // 8.2.2.2 is about ongoing transactions: after a refusal a proxy may try another path.
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

  match(key: string): ServerTransaction | undefined {
    return this.#byKey.get(key);
  }

  /** Whether a request without a {@link match} is a copy, by another path, of one in progress (RFC 3261 8.2.2.2). */
  isMerged(request: ParsedRequest): boolean {
    const key = mergeKeyOf(request);
    const first = key === undefined ? undefined : this.#byMergeKey.get(key);
    // The same transaction from another port is not a copy: a NAT has changed its mapping.
    return first !== undefined && !first.key.startsWith(`${identityOf(request)} `);
  }

  /**
   * Opens a transaction for a request without a {@link match}. A full table forgets its oldest responses first, whose
   * retransmission is least likely. Undefined when it stays full.
   * @param bytes length of the request
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

  /** Forgets all of them; later responses are dropped. */
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

  /** Forgets answered transactions, oldest first, until both limits are met or none is answered. */
  #makeRoom(transactions: number, bytes: number): void {
    while (this.#byKey.size > transactions || this.#bytes > bytes) {
      const oldest = this.#context.timerJ.oldest;
      if (!oldest) return;
      oldest.expire('timer J');
    }
  }
}

/** The key that a request shares with its retransmissions: identity, and source, as no other may get its response. */
export function transactionKey(request: ParsedRequest, { address, port }: { address: string; port: number }): string {
  return `${identityOf(request)} ${address} ${port}`;
}

/** RFC 3261 17.2.3: branch, sent-by and method; without a branch (RFC 2543), all that a retransmission repeats. */
function identityOf({ topVia, method, uri, from, to, callId, cseq }: ParsedRequest): string {
  const branch = branchOf(topVia);
  // RFC 4475 3.2.1: the cookie alone is not unique.
  if (branch.startsWith(MAGIC_COOKIE) && branch !== MAGIC_COOKIE)
    return `${branch} ${topVia.host}:${topVia.port ?? ''} ${method}`;
  return [uri, tagOf(to), tagOf(from), callId, cseq.number, method, formatVia(topVia)].join(' ');
}

/**
 * The key that a request shares with its copies by other paths (RFC 3261 8.2.2.2): From tag, Call-ID and CSeq.
 * Credentials count too, because some clients repeat a challenged request under its old CSeq, against 22.2. Undefined
 * for a request with a To tag, or without a From tag (RFC 2543), and for OPTIONS: monitors repeat one in new transactions.
 */
function mergeKeyOf({ method, from, to, callId, cseq, headers }: ParsedRequest): string | undefined {
  const tag = method === 'OPTIONS' ? undefined : tagOf(from);
  if (tag === undefined || tagOf(to) !== undefined) return undefined;
  return [tag, callId, cseq.number, cseq.method, headerValue(headers, 'Authorization')].join(' ');
}
