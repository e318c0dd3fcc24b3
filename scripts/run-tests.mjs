/** Runs `bun test` and counts what came of it, the tests that a broken file lost included. */
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';

/** Milliseconds a test may take; bun ignores the one in bunfig.toml. */
const TEST_TIMEOUT_MS = 60_000;
/** Counting the tests of a file loads it, which may start servers; milliseconds. */
const COUNT_TIMEOUT_MS = 120_000;
/** A filter that no test name matches. */
const NO_TEST = '(?!)';
/** Before the name of a test; the second with colours. */
const PASS = ['(pass)', '✓'];
const FAIL = ['(fail)', '✗'];
/** With one of these set bun prints no line for a test that passed. */
const QUIET = ['AGENT', 'CLAUDECODE', 'REPL_ID'];

/**
 * bun counts a failed hook as one test named `(unnamed)` and leaves out the tests behind it, counts a `describe` that
 * throws as no failure at all, and prints no summary when a test calls process.exit(), whatever the exit code. So failures
 * are counted from its output, and a file with such a fault is loaded again to count the tests that never ran.
 * @param {{ bun: string, cwd: string, args: string[] }} options args are those of `bun test`
 * @returns {Promise<{ passed: number, failed: number, faults: string[] }>} faults: one line for each cause that is no test
 */
export async function runTests({ bun, cwd, args }) {
  const output = new Output();
  const child = spawn(bun, ['test', '--no-orphans', '--timeout', String(TEST_TIMEOUT_MS), ...args], {
    cwd,
    stdio: ['ignore', 'inherit', 'pipe'],
    env: environment(process.stderr.isTTY),
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    process.stderr.write(`${line}\n`);
    output.take(stripVTControlCharacters(line));
  });
  const end = await new Promise((resolve) => {
    child.once('error', (error) => resolve({ why: error.message }));
    child.once('close', (code, signal) => resolve({ code, why: signal ?? `exit code ${code}` }));
  });
  // With a filter of its own the run leaves out tests that nobody lost.
  const filtered = args.some((arg) => arg === '-t' || arg.startsWith('--test-name-pattern'));
  return count(output, end, (file) => (filtered ? undefined : testsOf(bun, cwd, file)));
}

/** What bun has printed on stderr, line by line. */
class Output {
  /** Path → what ran in that file. */
  files = new Map();
  passed = 0;
  failed = 0;
  /** Of the last lines, if they are one: more output after a summary means that it was not the real one. */
  summary = undefined;
  #file = undefined;
  #totals = { pass: 0, fail: 0 };
  /** After a long run bun lists the failures again. */
  #repeats = false;

  get lastFile() {
    return this.#file?.path;
  }

  take(line) {
    const path = /^(?:::group::)?(\S.*\.test\.ts):$/.exec(line)?.[1];
    if (path !== undefined) {
      this.#file = this.files.get(path) ?? { path, ran: 0, broken: 0 };
      this.files.set(path, this.#file);
      this.#repeats = false;
    }
    if (/^\d+ tests? failed:$/.test(line)) this.#repeats = true;
    const [, mark = '', name = ''] =
      (!this.#repeats && /^(\(pass\)|\(fail\)|\(skip\)|\(todo\)|[✓✗»✎]) (.*?)(?: \[[\d.]+m?s\])?$/.exec(line)) || [];
    const hookFailed = FAIL.includes(mark) && /(^| > )\(unnamed\)$/.test(name);
    const errorOutside = line === '# Unhandled error between tests';
    if (PASS.includes(mark)) this.passed++;
    if (FAIL.includes(mark) || errorOutside) this.failed++;
    if (this.#file) {
      if (hookFailed || errorOutside) this.#file.broken++;
      else if (mark !== '') this.#file.ran++;
    }
    const total = /^ *(\d+) (pass|fail)$/.exec(line);
    if (total) this.#totals[total[2]] = Number(total[1]);
    if (/^Ran \d+ tests? across \d+ files?\./.test(line)) this.summary = { ...this.#totals };
    else if (line.trim() !== '') this.summary = undefined;
  }
}

/** @param {(file: string) => number | undefined} testsOf how many tests are in a file; undefined when it cannot be loaded */
function count(output, end, testsOf) {
  const { summary, lastFile } = output;
  const passed = summary?.pass ?? output.passed;
  let failed = Math.max(summary?.fail ?? 0, output.failed);
  const faults = [];
  if (summary === undefined) {
    failed++;
    faults.push(`bun test ended without a summary: ${end.why}; nothing after ${lastFile ?? 'its start'} was run`);
  } else if (end.code !== 0 && failed === 0) {
    failed++;
    faults.push(`bun test failed: ${end.why}`);
  }
  for (const { path, ran, broken } of output.files.values()) {
    if (broken === 0 && (summary !== undefined || path !== lastFile)) continue;
    const lost = (testsOf(path) ?? ran) - ran;
    if (lost <= 0) continue;
    failed += lost;
    faults.push(`${path}: ${lost} ${lost === 1 ? 'test' : 'tests'} did not run`);
  }
  return { passed, failed, faults };
}

function testsOf(bun, cwd, file) {
  const { stderr } = spawnSync(bun, ['test', '--no-orphans', '--test-name-pattern', NO_TEST, `./${file}`], {
    cwd,
    encoding: 'utf8',
    timeout: COUNT_TIMEOUT_MS,
    env: environment(false),
  });
  const text = stripVTControlCharacters(stderr ?? '');
  const found =
    /matched 0 tests\. Searched 1 file \(skipping (\d+) tests?\)/.exec(text) ?? /^ *(\d+) filtered out$/m.exec(text);
  return found ? Number(found[1]) : undefined;
}

function environment(colours) {
  const env = { ...process.env, ...(colours && { FORCE_COLOR: '1' }) };
  for (const name of QUIET) delete env[name];
  return env;
}
