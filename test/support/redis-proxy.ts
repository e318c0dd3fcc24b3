import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { type Address, FaultProxy } from './fault-proxy.ts';

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
export class RedisProxy extends FaultProxy {
  fault: RedisFault | undefined;
  #refusal: string | undefined;

  static start(redis: Address): Promise<RedisProxy> {
    return new RedisProxy(redis).listen();
  }

  /** While `answer` is given, a new connection gets it and is closed, and open ones are closed. */
  refuseConnections(answer: string | undefined): void {
    this.#refusal = answer;
    if (answer !== undefined) this.closeClients();
  }

  protected refusal(): string | undefined {
    return this.#refusal === undefined ? undefined : `${this.#refusal}\r\n`;
  }

  protected relay(client: Socket, upstream: Socket): void {
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
