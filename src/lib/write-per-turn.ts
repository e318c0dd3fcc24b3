import type { Writable } from 'node:stream';

/** Sends what is written to a stream in one turn of the event loop together: on loopback a system call costs more than its bytes. */
export class WritePerTurn {
  #corked: Writable | undefined;

  /** Holds the writes to the stream until the end of this turn. */
  hold(stream: Writable): void {
    if (this.#corked === stream) return;
    this.#corked = stream;
    stream.cork();
    setImmediate(() => {
      if (this.#corked === stream) this.#corked = undefined;
      stream.uncork();
    });
  }
}
