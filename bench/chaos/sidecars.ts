import { join, resolve } from 'node:path';
import { requestOnce } from '../../src/admin/client.ts';
import { onCleanup, temporaryDirectory } from '../../test/support/cleanup.ts';
import { eventually } from '../../test/support/eventually.ts';
import { type SpawnedProcess, spawnProcess } from '../../test/support/process.ts';
import { type Restartable, startRestartable } from '../../test/support/restartable.ts';
import { messageOf } from '../lib/command.ts';

const READY_MS = 60_000;
const MAX_EXAMPLES = 5;
const PINO_WARN = 40;
const PINO_ERROR = 50;

/** A sidecar in production mode. */
export class Sidecar implements Restartable {
  /** Each process that it has been, the latest last. */
  readonly #lives: SpawnedProcess[] = [];
  readonly #ordered = new Set<SpawnedProcess>();
  readonly #endings: string[] = [];
  #restartable: Restartable | undefined;

  /** @param maxLines of its output that are kept; by default all of a test */
  static async start(
    name: string,
    binary: string,
    env: Readonly<Record<string, string>>,
    maxLines?: number,
  ): Promise<Sidecar> {
    const cwd = temporaryDirectory('chaos');
    const sidecar = new Sidecar(name, join(cwd, 'admin.sock'));
    sidecar.#restartable = await startRestartable(name, async () => {
      const launched = spawnProcess(resolve(binary), ['serve'], {
        env: { ...env, SBC_SOCKET_PATH: sidecar.socketPath, JAMBONES_LOGLEVEL: 'info' },
        cwd,
        ...(maxLines !== undefined && { maxLines }),
      });
      sidecar.#lives.push(launched);
      void launched.exited.then(({ code, signal }) => {
        if (!sidecar.#ordered.has(launched)) sidecar.#endings.push(`${name} ended by itself with ${signal ?? code}`);
      });
      return launched;
    });
    onCleanup(() => sidecar.kill('SIGKILL'));
    return sidecar;
  }

  private constructor(
    readonly name: string,
    private readonly socketPath: string,
  ) {}

  get process(): SpawnedProcess {
    return this.#own.process;
  }

  kill(signal: NodeJS.Signals): Promise<void> {
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') this.#ordered.add(this.process);
    return this.#own.kill(signal);
  }

  start(): Promise<void> {
    return this.#own.start();
  }

  /** Resolves when it is ready. @throws after a minute, with what it says */
  async ready(): Promise<void> {
    let last = 'nothing';
    const ask = async () => {
      try {
        const { readiness, notReadyBecause } = await requestOnce('status', {}, { socketPath: this.socketPath });
        last = notReadyBecause ?? readiness;
        return readiness === 'ready' || undefined;
      } catch (error) {
        last = messageOf(error);
        return undefined;
      }
    };
    await eventually(`${this.name} ready`, ask, { deadlineMs: READY_MS, describe: () => last });
  }

  log(): string {
    return this.#lives.map(({ lines }) => `${lines.join('\n')}\n`).join('');
  }

  /** What its log has that no fault of another process explains. */
  faults(): string[] {
    const lines = this.#lives.flatMap((life) => life.lines);
    const odd = lines.filter((line) => line !== '' && (levelOf(line) ?? PINO_ERROR) >= PINO_ERROR);
    return [...this.#endings, ...odd.slice(0, MAX_EXAMPLES).map((line) => `${this.name} logged: ${line}`)];
  }

  /** Warnings and worse by their message. */
  complaints(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const line of this.#lives.flatMap((life) => life.lines)) {
      if ((levelOf(line) ?? 0) < PINO_WARN) continue;
      const message = /"msg":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1] ?? line;
      counts.set(message, (counts.get(message) ?? 0) + 1);
    }
    return counts;
  }

  get #own(): Restartable {
    if (!this.#restartable) throw new Error(`${this.name} has not started`);
    return this.#restartable;
  }
}

/** Of a line of the log; undefined for one that is no JSON object. */
function levelOf(line: string): number | undefined {
  const level = /^\{"level":(\d+)/.exec(line)?.[1];
  return level === undefined ? undefined : Number(level);
}
