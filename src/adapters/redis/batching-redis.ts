import { Redis, type RedisOptions } from 'ioredis';
import type { Timers } from '../../lib/timers.ts';
import { WritePerTurn } from '../../lib/write-per-turn.ts';

/** How often a silent connection is looked at before it is closed: it is closed up to a quarter later than the timeout. */
const CHECKS = 4;

/**
 * ioredis for thousands of small commands a second. Commands of one turn of the event loop are sent together, and a
 * connection without replies is closed, which fails its commands. Its own options for the two, `enableAutoPipelining` and
 * `socketTimeout`, make a pipeline, a timer and a listener for every command, which cost more than the command.
 */
export class BatchingRedis extends Redis {
  readonly #writes = new WritePerTurn();
  #isWatching = false;

  /** @param timeoutMs how long commands wait for any reply before the connection is closed */
  constructor(
    options: Omit<RedisOptions, 'replyMapping'>,
    private readonly timeoutMs: number,
    private readonly timers: Timers,
  ) {
    super(options);
  }

  override sendCommand(...[command, stream]: Parameters<Redis['sendCommand']>): unknown {
    if (this.stream) {
      this.#writes.hold(this.stream);
      if (!this.#isWatching) this.#watch(this.stream, 0);
    }
    return super.sendCommand(command, stream);
  }

  /** Looks again and again while commands are pending. @param silent checks without a byte so far */
  #watch(stream: Redis['stream'], silent: number): void {
    this.#isWatching = true;
    const { bytesRead } = stream;
    this.timers.after(this.timeoutMs / CHECKS, () => {
      this.#isWatching = false;
      if (this.commandQueue.length === 0) return;
      if (this.stream !== stream || stream.bytesRead !== bytesRead) return this.#watch(this.stream, 0);
      if (silent + 1 < CHECKS) return this.#watch(stream, silent + 1);
      stream.destroy(new Error(`no answer within ${this.timeoutMs} ms`));
    });
  }
}
