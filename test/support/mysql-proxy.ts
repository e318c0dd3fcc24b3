import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { onCleanup } from './cleanup.ts';
import type { MysqlError } from './faults.ts';

const HOST = '127.0.0.1';
const HEADER_LENGTH = 4;
const COM_QUIT = 1;

/** Stands between a client and a MySQL server, and answers in its place with errors. */
export class MysqlProxy {
  #fault: MysqlError | undefined;
  /** Sent in answer to every command, as it is. */
  nonsense: Buffer | undefined;
  readonly #clients = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly mysql: { readonly host: string; readonly port: number },
  ) {}

  static async start(mysql: { readonly host: string; readonly port: number }): Promise<MysqlProxy> {
    const server = createServer();
    server.listen(0, HOST);
    await once(server, 'listening');
    const proxy = new MysqlProxy(server, mysql);
    server.on('connection', (client) => proxy.#serve(client));
    onCleanup(() => proxy.stop());
    return proxy;
  }

  get address(): { host: string; port: number } {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return { host: HOST, port: address.port };
  }

  /** Answers every query, or every new connection after closing the open ones, with this error. */
  set fault(fault: MysqlError | undefined) {
    this.#fault = fault;
    if (fault?.onConnect) for (const client of this.#clients) client.destroy();
  }

  async stop(): Promise<void> {
    this.server.close();
    for (const client of this.#clients) client.destroy();
  }

  #serve(client: Socket): void {
    client.on('error', () => client.destroy());
    if (this.#fault?.onConnect) {
      client.end(errorPacket(this.#fault, 0));
      return;
    }
    this.#clients.add(client);
    const upstream = connect(this.mysql);
    const close = () => {
      this.#clients.delete(client);
      client.destroy();
      upstream.destroy();
    };
    client.on('close', close);
    upstream.on('close', close);
    upstream.on('error', close);
    upstream.pipe(client);
    let received: Buffer = Buffer.alloc(0);
    client.on('data', (data: Buffer) => {
      received = Buffer.concat([received, data]);
      while (received.length >= HEADER_LENGTH) {
        const end = HEADER_LENGTH + received.readUIntLE(0, 3);
        if (received.length < end) return;
        this.#forward(received.subarray(0, end), client, upstream);
        received = received.subarray(end);
      }
    });
  }

  #forward(packet: Buffer, client: Socket, upstream: Socket): void {
    // A command begins a new sequence; packets of the login have higher numbers.
    const isCommand = packet[3] === 0 && packet[HEADER_LENGTH] !== COM_QUIT;
    if (isCommand && this.nonsense) client.write(this.nonsense);
    else if (isCommand && this.#fault) client.write(errorPacket(this.#fault, 1));
    else upstream.write(packet);
  }
}

function errorPacket({ code, errno, sqlState }: MysqlError, sequence: number): Buffer {
  const body = Buffer.concat([
    Buffer.from([0xff, errno & 0xff, errno >> 8]),
    Buffer.from(`#${sqlState}the text of ${code}`),
  ]);
  return Buffer.concat([Buffer.from([body.length & 0xff, body.length >> 8, 0, sequence]), body]);
}
