/**
 * Everything that must hold before a change goes in: types, lint, tests. Arguments go to `bun test`.
 * The last line is `N passed, N failed`; types and lint count as one failure each when they fail.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath, URL } from 'node:url';
import { runTests } from './run-tests.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = join(ROOT, 'node_modules/.bin');

const counts = { passed: 0, failed: 0 };
if (step('install', process.execPath, [join(ROOT, 'scripts/ensure.mjs'), '--tools'])) {
  step('types', join(BIN, 'tsc'), ['--noEmit']);
  step('types of the status page', join(BIN, 'tsc'), ['--noEmit', '-p', 'src/ops/page']);
  step('lint', join(BIN, 'biome'), ['check']);
  const { passed, failed, faults } = await runTests({ bun: join(BIN, 'bun'), cwd: ROOT, args: process.argv.slice(2) });
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  counts.passed += passed;
  counts.failed += failed;
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
