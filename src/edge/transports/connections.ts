import { MAX_CONNECTIONS, MAX_CONNECTIONS_PER_SOURCE } from '../limits.ts';

interface Peer {
  readonly address: string;
  readonly port: number;
}

/** The open connections of a transport by their far end, and how many there are from each address. */
export class Connections<C extends Peer> {
  readonly #byPeer = new Map<string, C>();
  readonly #perSource = new Map<string, number>();

  constructor(
    private readonly limit = MAX_CONNECTIONS,
    private readonly limitPerSource = MAX_CONNECTIONS_PER_SOURCE,
  ) {}

  get full(): boolean {
    return this.#byPeer.size >= this.limit;
  }

  /** Why nobody more may come from there; undefined when one may. Loopback, where neighbours live, has no limit of its own. */
  refusal(address: string): string | undefined {
    if (this.full) return 'too many connections';
    const alreadyThere = isLoopback(address) ? 0 : (this.#perSource.get(address) ?? 0);
    return alreadyThere >= this.limitPerSource ? 'too many connections from there' : undefined;
  }

  to(address: string, port: number): C | undefined {
    return this.#byPeer.get(`${address} ${port}`);
  }

  add(connection: C): void {
    const { address, port } = connection;
    this.#byPeer.set(`${address} ${port}`, connection);
    this.#perSource.set(address, (this.#perSource.get(address) ?? 0) + 1);
  }

  delete(connection: C): void {
    const { address, port } = connection;
    if (this.to(address, port) !== connection) return;
    this.#byPeer.delete(`${address} ${port}`);
    const left = (this.#perSource.get(address) ?? 1) - 1;
    if (left > 0) this.#perSource.set(address, left);
    else this.#perSource.delete(address);
  }

  [Symbol.iterator](): Iterator<C> {
    return this.#byPeer.values();
  }
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
