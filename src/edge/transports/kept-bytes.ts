import { MAX_KEPT_BYTES } from '../limits.ts';

interface Keeper {
  destroy(why: string): void;
}

/**
 * Bytes that connections have read and not processed: incomplete messages, and requests while reading is paused. Over
 * the limit the connection that keeps most is closed. One for all transports of an edge.
 */
export class KeptBytes {
  readonly #byConnection = new Map<Keeper, number>();
  #sum = 0;

  constructor(private readonly limit = MAX_KEPT_BYTES) {}

  get sum(): number {
    return this.#sum;
  }

  set(connection: Keeper, bytes: number): void {
    this.#sum += bytes - (this.#byConnection.get(connection) ?? 0);
    if (bytes > 0) this.#byConnection.set(connection, bytes);
    else this.#byConnection.delete(connection);
    if (this.#sum > this.limit) this.#closeLargest();
  }

  forget(connection: Keeper): void {
    this.set(connection, 0);
  }

  #closeLargest(): void {
    let largest: Keeper | undefined;
    let most = 0;
    for (const [connection, bytes] of this.#byConnection)
      if (bytes > most) {
        most = bytes;
        largest = connection;
      }
    if (!largest) return;
    this.forget(largest);
    largest.destroy('it keeps too much that cannot be dealt with');
  }
}
