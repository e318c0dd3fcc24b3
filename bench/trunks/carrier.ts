import { join } from 'node:path';
import { within } from '../../test/support/deadline.ts';
import type { Progress } from './peer.ts';

const START_MS = 10_000;

export class Carrier {
  #progress: Progress | undefined;
  #wake = Promise.withResolvers<void>();
  #ended: string | undefined;

  private constructor(private readonly child: Bun.Subprocess) {}

  /** @param stale whether every refresh is challenged anew */
  static async start(stale: boolean): Promise<Carrier> {
    const child: Bun.Subprocess = Bun.spawn(
      [process.execPath, join(import.meta.dir, 'peer.ts'), ...(stale ? ['--stale'] : [])],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
        ipc: (progress: Progress) => carrier.#update(progress),
        onExit: () => carrier.#end(),
      },
    );
    const carrier = new Carrier(child);
    await carrier.until(() => true, START_MS, 'the peer to listen');
    return carrier;
  }

  /** Its latest report. @throws when the process has ended */
  get progress(): Progress {
    if (this.#ended !== undefined || !this.#progress) throw new Error(this.#ended ?? 'the peer has not started');
    return this.#progress;
  }

  /**
   * Resolves with the first report that is `wanted`.
   * @throws when none is within `deadlineMs` milliseconds, or the process ends
   */
  async until(wanted: (progress: Progress) => boolean, deadlineMs: number, what: string): Promise<Progress> {
    try {
      return await within(this.#until(wanted), deadlineMs, what);
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}; the peer: ${JSON.stringify(this.#progress)}`);
    }
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.child.exited;
  }

  async #until(wanted: (progress: Progress) => boolean): Promise<Progress> {
    while (!this.#progress || !wanted(this.#progress)) {
      if (this.#ended !== undefined) throw new Error(this.#ended);
      await this.#wake.promise;
    }
    return this.#progress;
  }

  #update(progress: Progress): void {
    this.#progress = progress;
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  #end(): void {
    this.#ended = 'the peer has ended';
    this.#wake.resolve();
  }
}
