/** Measures what many registrations at carriers cost the compiled binary. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { runCleanup } from '../../test/support/cleanup.ts';
import { type Options, readArgs } from './args.ts';
import { measure } from './measure.ts';
import { table, toJson } from './report.ts';

const options = readArgs();
if (options) await main(options);

async function main(options: Options): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'sidecar-bench-trunks-'));
  try {
    const measured = await measure({ ...options, binary: resolve(options.binary) }, directory);
    console.log(options.json ? JSON.stringify(toJson(options, measured)) : table(options, measured));
    if (measured.faults.length > 0) process.exitCode = 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  } finally {
    await runCleanup();
    await rm(directory, { recursive: true, force: true });
  }
}
