/**
 * Everything that must hold before a change goes in: types, lint, tests. Arguments go to `bun test`.
 * The last line is `N passed, N failed`; types and lint count as one failure each when they fail.
 */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, URL } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = join(ROOT, 'node_modules/.bin');
/** Milliseconds a test may take; bun ignores the one in bunfig.toml. */
const TEST_TIMEOUT_MS = 60_000;

const counts = { passed: 0, failed: 0 };
if (step('install', process.execPath, [join(ROOT, 'scripts/ensure.mjs'), '--tools'])) {
  step('types', join(BIN, 'tsc'), ['--noEmit']);
  step('lint', join(BIN, 'biome'), ['check']);
  await test(process.argv.slice(2));
}
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
process.exitCode = counts.failed === 0 ? 0 : 1;

/** @returns whether it succeeded; a failure is counted */
function step(name, command, args) {
  const { status, signal, error } = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status === 0) return true;
  process.stderr.write(`${name} failed: ${error?.message ?? signal ?? `exit code ${status}`}\n`);
  counts.failed++;
  return false;
}

/**
 * Runs the tests and counts them by bun's own summary. A run without one did not come to its end, whatever its exit
 * code: process.exit(0) in a test ends it so.
 */
async function test(args) {
  const bun = spawn(join(BIN, 'bun'), ['test', '--no-orphans', '--timeout', String(TEST_TIMEOUT_MS), ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'pipe'],
    env: { ...process.env, ...(process.stderr.isTTY ? { FORCE_COLOR: '1' } : {}) },
  });
  const seen = { pass: 0, fail: 0 };
  let summary;
  createInterface({ input: bun.stderr }).on('line', (line) => {
    process.stderr.write(`${line}\n`);
    const plain = stripVTControlCharacters(line);
    const count = /^ *(\d+) (pass|fail)$/.exec(plain);
    if (count) seen[count[2]] = Number(count[1]);
    // More output after a summary means that it was not the real one.
    if (/^Ran \d+ tests? across \d+ files?\./.test(plain)) summary = { ...seen };
    else if (plain.trim() !== '') summary = undefined;
  });
  const end = await new Promise((resolve) => {
    bun.once('error', (error) => resolve({ why: error.message }));
    bun.once('close', (code, signal) => resolve({ code, why: signal ?? `exit code ${code}` }));
  });
  if (summary === undefined) {
    process.stderr.write(`bun test ended without a summary: ${end.why}\n`);
    counts.failed++;
    return;
  }
  counts.passed += summary.pass;
  counts.failed += summary.fail;
  if (end.code !== 0 && summary.fail === 0) {
    process.stderr.write(`bun test failed: ${end.why}\n`);
    counts.failed++;
  }
}
