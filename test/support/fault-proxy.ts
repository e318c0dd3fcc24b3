import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { onCleanup } from './cleanup.ts';

const HOST = '127.0.0.1';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Accepts connections on a free port of loopback, each with one of its own to a server; a subclass relays between them. */
export abstract class FaultProxy {
  readonly #server = createServer((client) => this.#accept(client));
  readonly #clients = new Set<Socket>();

  constructor(private readonly upstream: Address) {}

  /** What a new connection gets before it is closed; undefined to accept it. */
  protected abstract refusal(): string | Uint8Array | undefined;
  protected abstract relay(client: Socket, upstream: Socket): void;

  async listen(): Promise<this> {
    this.#server.listen(0, HOST);
    await once(this.#server, 'listening');
    onCleanup(() => this.stop());
    return this;
  }

  get address(): Address {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return { host: HOST, port: address.port };
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.closeClients();
  }

  protected closeClients(): void {
    for (const client of this.#clients) client.destroy();
  }

  #accept(client: Socket): void {
    client.on('error', () => client.destroy());
    const refusal = this.refusal();
    if (refusal !== undefined) {
      client.end(refusal);
      return;
    }
    this.#clients.add(client);
    const upstream = connect(this.upstream);
    const close = () => {
      this.#clients.delete(client);
      client.destroy();
      upstream.destroy();
    };
    client.on('close', close);
    upstream.on('close', close);
    upstream.on('error', close);
    this.relay(client, upstream);
  }
}
