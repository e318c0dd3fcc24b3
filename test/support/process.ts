import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { killAtExit } from './cleanup.ts';
import { within } from './deadline.ts';
import { runsSidecar, sidecarVariables, watchOutput } from './sidecar-output.ts';

const MAX_LINES = 200_000;
const TAIL_LINES = 30;
const FREEZE_DEADLINE_MS = 20_000;
const FREEZE_POLL_MS = 1;
const GONE_POLL_MS = 20;

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface SpawnedProcess {
  readonly pid: number;
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  /** Both, in order of arrival. */
  readonly lines: readonly string[];
  /** The first line that matches, from `lines[from]` on. @throws after `deadlineMs`, or when the process ends */
  line(pattern: RegExp, deadlineMs: number, from?: number): Promise<RegExpMatchArray>;
  /** Resolves when it has ended and its output has been read. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Sends a signal, SIGTERM by default; no effect after the end. */
  kill(signal?: NodeJS.Signals): void;
  /** Closes our end of its stdout: what it writes from now on has no reader. */
  abandonStdout(): void;
  /** Resolves when the process has ended, though its output may have another writer and its exit event be late. */
  gone(): Promise<void>;
  /** Sends SIGSTOP and resolves when every thread has stopped (Linux). SIGCONT resumes it. */
  freeze(): Promise<void>;
}

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Lines kept, by default 200 000; later ones are matched, but not kept. */
  readonly maxLines?: number;
}

/**
 * Starts a program, which inherits only PATH and HOME and is killed when this process ends. A sidecar logs at trace level
 * unless `env` sets another, and fails the test when it shows a secret.
 */
export function spawnProcess(command: string, args: readonly string[], options: SpawnOptions = {}): SpawnedProcess {
  const isSidecar = runsSidecar([command, ...args]);
  const { env = {}, maxLines = MAX_LINES } = options;
  const child = spawn(command, args, {
    env: { ...inherited(), ...(isSidecar ? sidecarVariables(env) : env) },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { pid } = child;
  const exit = Promise.withResolvers<Exit>();
  child.on('error', () => {});
  if (pid === undefined) throw new Error(`cannot start ${command}: is it installed?`);
  const forget = killAtExit(pid);
  let ended = false;
  child.once('exit', () => {
    ended = true;
    forget();
  });
  child.once('close', (code, signal) => exit.resolve({ code, signal }));

  const stdout: string[] = [];
  const stderr: string[] = [];
  const lines: string[] = [];
  const waiting = new Set<(line: string) => void>();
  const arrived = (own: string[]) => (line: string) => {
    if (lines.length < maxLines) {
      own.push(line);
      lines.push(line);
    }
    for (const look of waiting) look(line);
  };
  splitLines(child.stdout, arrived(stdout));
  splitLines(child.stderr, arrived(stderr));
  if (isSidecar) watchOutput({ command: [command, ...args].join(' '), lines }, maxLines, exit.promise);
  const tail = () => `last lines of ${command}:\n${lines.slice(-TAIL_LINES).join('\n')}`;

  return {
    pid,
    stdout,
    stderr,
    lines,
    exited: exit.promise,
    kill: (signal = 'SIGTERM') => {
      if (!ended) child.kill(signal);
    },
    abandonStdout: () => {
      child.stdout.destroy();
    },
    gone: async () => {
      while (!ended && !(await isGone(pid))) await Bun.sleep(GONE_POLL_MS);
    },
    freeze: async () => {
      if (ended) throw new Error(`${command} has ended`);
      child.kill('SIGSTOP');
      await standstill(pid);
    },
    line: async (pattern, deadlineMs, from = 0) => {
      for (const line of lines.slice(from)) {
        const match = line.match(pattern);
        if (match) return match;
      }
      const found = Promise.withResolvers<RegExpMatchArray>();
      const look = (line: string) => {
        const match = line.match(pattern);
        if (match) found.resolve(match);
      };
      waiting.add(look);
      const end = exit.promise.then(({ code, signal }) => {
        throw new Error(`ended with ${signal ?? code}`);
      });
      try {
        return await within(Promise.race([found.promise, end]), deadlineMs, `a line like ${pattern}`);
      } catch (error) {
        throw new Error(`waiting for ${pattern}: ${error instanceof Error ? error.message : error}\n${tail()}`);
      } finally {
        waiting.delete(look);
      }
    },
  };
}

async function standstill(pid: number): Promise<void> {
  const deadline = performance.now() + FREEZE_DEADLINE_MS;
  while (!(await threadStates(pid)).every((state) => state === 'T')) {
    if (performance.now() > deadline) throw new Error(`process ${pid} goes on after SIGSTOP`);
    await Bun.sleep(FREEZE_POLL_MS);
  }
}

async function isGone(pid: number): Promise<boolean> {
  try {
    return (await threadStates(pid)).every((state) => state === 'Z' || state === 'gone');
  } catch {
    return true; // /proc has no such process
  }
}

/** The state of each thread, as in proc(5): `T` is stopped, `Z` has ended. */
async function threadStates(pid: number): Promise<string[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  return Promise.all(
    threads.map(async (thread) => {
      try {
        const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8');
        // Preceded by the name, in parentheses, which may hold any character.
        return stat.charAt(stat.lastIndexOf(')') + 2);
      } catch {
        return 'gone'; // the thread has ended: look again
      }
    }),
  );
}

function inherited(): Record<string, string> {
  const { PATH, HOME } = process.env;
  return { PATH: PATH ?? '/usr/local/bin:/usr/bin:/bin', ...(HOME === undefined ? {} : { HOME }) };
}

function splitLines(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) take(part.replace(/\r$/, ''));
  });
  stream.on('end', () => {
    if (rest !== '') take(rest);
  });
}
