import { Buffer } from 'node:buffer';
import { write } from 'node:fs';
import type { Timers } from './timers.ts';

/** Bytes that may wait for a slow reader. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;
/** Pause before the next try while a non-blocking pipe is full, milliseconds. */
const FULL_PIPE_PAUSE_MS = 20;
/** Pause after a write, in which texts gather for the next: a write of its own costs as much as composing a line. */
const GATHERING_MS = 10;
const IS_BUSY: ReadonlySet<unknown> = new Set(['EAGAIN', 'EINTR']);

/**
 * Writes text to a file descriptor in the background, in order. It never fails: text is dropped when it cannot be
 * written (the reader has gone, the disk is full) or when too much is waiting for the reader.
 */
export class TextOutput {
  #waiting: string[] = [];
  #waitingBytes = 0;
  #writing = false;
  #closed = false;
  #dropped = 0;
  #idle: (() => void)[] = [];

  constructor(
    private readonly fd: number,
    private readonly timers: Timers,
    /** Called when the reader has caught up, with the number of texts dropped meanwhile. */
    private readonly onDropped: (texts: number) => void,
    private readonly maxWaitingBytes = MAX_WAITING_BYTES,
  ) {}

  write(text: string): void {
    if (this.#closed) return;
    const bytes = Buffer.byteLength(text);
    if (this.#waitingBytes + bytes > this.maxWaitingBytes) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(text);
    this.#waitingBytes += bytes;
    if (!this.#writing) this.#next();
  }

  /** Ignores what is written from now on. */
  close(): void {
    this.#closed = true;
  }

  /** Resolves when nothing is waiting any more, or after `ms` milliseconds. @returns whether nothing is waiting */
  drained(ms: number): Promise<boolean> {
    if (!this.#writing) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = this.timers.after(ms, () => resolve(false));
      this.#idle.push(() => {
        timer.cancel();
        resolve(true);
      });
    });
  }

  #next(): void {
    const chunk = Buffer.from(this.#waiting.join(''));
    this.#waiting = [];
    this.#writing = chunk.length > 0;
    if (this.#writing) this.#write(chunk);
    else this.#caughtUp();
  }

  #caughtUp(): void {
    const dropped = this.#dropped;
    this.#dropped = 0;
    for (const resolve of this.#idle.splice(0)) resolve();
    if (dropped > 0) this.onDropped(dropped);
  }

  #write(chunk: Buffer): void {
    write(this.fd, chunk, 0, chunk.length, null, (error, written) => {
      if (error && IS_BUSY.has(error.code)) {
        this.timers.after(FULL_PIPE_PAUSE_MS, () => this.#write(chunk));
        return;
      }
      const done = error ? chunk.length : written;
      this.#waitingBytes -= done;
      if (done < chunk.length) this.#write(chunk.subarray(done));
      else this.timers.after(GATHERING_MS, () => this.#next());
    });
  }
}
