import { within } from './deadline.ts';
import type { SpawnedProcess } from './process.ts';

const STOP_DEADLINE_MS = 15_000;

/** A program that can be ended and launched again. */
export interface Restartable {
  /** The latest one. */
  readonly process: SpawnedProcess;
  /** Sends a signal. Resolves when the process has ended, after SIGSTOP when it has stopped, after SIGCONT at once. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Launches it again, after its end. */
  start(): Promise<void>;
}

/** Launches a program. @param name for errors @param launch resolves when the program has started */
export async function startRestartable(name: string, launch: () => Promise<SpawnedProcess>): Promise<Restartable> {
  let current = await launch();
  return {
    get process() {
      return current;
    },
    async kill(signal) {
      if (signal === 'SIGSTOP') return current.freeze();
      current.kill(signal);
      if (signal === 'SIGCONT') return;
      // A stopped process handles signals only after SIGCONT.
      current.kill('SIGCONT');
      await within(current.gone(), STOP_DEADLINE_MS, `end of ${name} after ${signal}`);
    },
    async start() {
      current = await launch();
    },
  };
}
