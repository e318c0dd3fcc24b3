import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { onCleanup } from './cleanup.ts';

const HOST = '127.0.0.1';
/** Commands by which a client sets up its connection. */
const HANDSHAKE: ReadonlySet<string> = new Set(['HELLO', 'AUTH', 'CLIENT', 'SELECT', 'INFO']);

/** What the proxy answers in place of Redis. */
export interface RedisFault {
  /** As on the wire, without the last CRLF: `-OOM command not allowed`. */
  readonly answer: string;
  /** 'scripts': only EVAL and EVALSHA; 'commands': all but the handshake; 'everything': that too. */
  readonly to: 'scripts' | 'commands' | 'everything';
}

/** Stands between a client and a Redis, and answers in its place with faults. */
export class RedisProxy {
  fault: RedisFault | undefined;
  /** While set, a new connection gets this answer and is closed, and open ones are closed. */
  #refusal: string | undefined;
  readonly #clients = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly redis: { readonly host: string; readonly port: number },
  ) {}

  static async start(redis: { readonly host: string; readonly port: number }): Promise<RedisProxy> {
    const server = createServer();
    server.listen(0, HOST);
    await once(server, 'listening');
    const proxy = new RedisProxy(server, redis);
    server.on('connection', (client) => proxy.#serve(client));
    onCleanup(() => proxy.stop());
    return proxy;
  }

  get address(): { host: string; port: number } {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return { host: HOST, port: address.port };
  }

  refuseConnections(answer: string | undefined): void {
    this.#refusal = answer;
    if (answer !== undefined) for (const client of this.#clients) client.destroy();
  }

  async stop(): Promise<void> {
    this.server.close();
    for (const client of this.#clients) client.destroy();
  }

  #serve(client: Socket): void {
    client.on('error', () => client.destroy());
    if (this.#refusal !== undefined) {
      client.end(`${this.#refusal}\r\n`);
      return;
    }
    this.#clients.add(client);
    const upstream = connect(this.redis);
    const close = () => {
      this.#clients.delete(client);
      client.destroy();
      upstream.destroy();
    };
    client.on('close', close);
    upstream.on('close', close);
    upstream.on('error', close);

    // One command at a time, so that answers of ours and of Redis keep the order of the commands.
    const commands = new Frames();
    const replies = new Frames();
    let waiting = false;
    const next = () => {
      for (let frame = waiting ? undefined : commands.take(); frame; frame = waiting ? undefined : commands.take()) {
        const answer = this.#answerTo(frame);
        if (answer !== undefined) client.write(`${answer}\r\n`);
        else {
          waiting = true;
          upstream.write(frame);
        }
      }
    };
    client.on('data', (data: Buffer) => {
      commands.add(data);
      next();
    });
    upstream.on('data', (data: Buffer) => {
      replies.add(data);
      for (let frame = replies.take(); frame; frame = replies.take()) {
        client.write(frame);
        waiting = false;
      }
      next();
    });
  }

  #answerTo(command: Buffer): string | undefined {
    if (!this.fault) return undefined;
    const [, , name = ''] = command.toString('latin1').split('\r\n');
    const { answer, to } = this.fault;
    if (to === 'everything') return answer;
    const isFaulty = to === 'scripts' ? /^EVAL/i.test(name) : !HANDSHAKE.has(name.toUpperCase());
    return isFaulty ? answer : undefined;
  }
}

/** Splits a stream into whole values of RESP. */
class Frames {
  #buffer = Buffer.alloc(0);

  add(data: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, data]);
  }

  take(): Buffer | undefined {
    const end = endOfValue(this.#buffer, 0);
    if (end === undefined) return undefined;
    const frame = this.#buffer.subarray(0, end);
    this.#buffer = this.#buffer.subarray(end);
    return frame;
  }
}

/** Where the value that begins at `from` ends; undefined while it is incomplete. */
function endOfValue(buffer: Buffer, from: number): number | undefined {
  const lineEnd = buffer.indexOf('\r\n', from);
  if (lineEnd < 0) return undefined;
  const after = lineEnd + 2;
  const type = String.fromCharCode(buffer[from] ?? 0);
  const length = Number(buffer.toString('latin1', from + 1, lineEnd));
  if ('$=!'.includes(type)) {
    const end = length < 0 ? after : after + length + 2;
    return end <= buffer.length ? end : undefined;
  }
  const values = '*~>'.includes(type) ? length : type === '%' ? length * 2 : 0;
  let end: number | undefined = after;
  for (let i = 0; i < values && end !== undefined; i++) end = endOfValue(buffer, end);
  return end;
}
