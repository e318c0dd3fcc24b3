import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { type Address, FaultProxy } from './fault-proxy.ts';
import type { MysqlError } from './faults.ts';

const HEADER_LENGTH = 4;
const COM_QUIT = 1;
const COM_QUERY = 3;

/** Stands between a client and a MySQL server, and answers in its place with errors. */
export class MysqlProxy extends FaultProxy {
  #fault: MysqlError | undefined;
  /** Sent in answer to every command, as it is. */
  nonsense: Buffer | undefined;

  static start(mysql: Address): Promise<MysqlProxy> {
    return new MysqlProxy(mysql).listen();
  }

  /** Answers every query, or every new connection after closing the open ones, with this error. */
  set fault(fault: MysqlError | undefined) {
    this.#fault = fault;
    if (fault?.onConnect) this.closeClients();
  }

  protected refusal(): Buffer | undefined {
    return this.#fault?.onConnect ? errorPacket(this.#fault, 0) : undefined;
  }

  protected relay(client: Socket, upstream: Socket): void {
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
    const isCommand = packet[3] === 0 && packet[HEADER_LENGTH] !== COM_QUIT && !isRollback(packet);
    if (isCommand && this.nonsense) client.write(this.nonsense);
    else if (isCommand && this.#fault) client.write(errorPacket(this.#fault, 1));
    else upstream.write(packet);
  }
}

/** A server does not refuse it. Without it the connection would go on in its transaction, and keep its locks. */
function isRollback(packet: Buffer): boolean {
  return packet[HEADER_LENGTH] === COM_QUERY && /^rollback$/i.test(packet.toString('latin1', HEADER_LENGTH + 1));
}

function errorPacket({ code, errno, sqlState }: MysqlError, sequence: number): Buffer {
  const body = Buffer.concat([
    Buffer.from([0xff, errno & 0xff, errno >> 8]),
    Buffer.from(`#${sqlState}the text of ${code}`),
  ]);
  return Buffer.concat([Buffer.from([body.length & 0xff, body.length >> 8, 0, sequence]), body]);
}
