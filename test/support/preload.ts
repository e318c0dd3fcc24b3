/** Loaded before the first test file. */
import { afterAll, afterEach } from 'bun:test';
import { runCleanup } from './cleanup.ts';
import { reportExposures } from './secrets.ts';
import { searchAllOutput } from './sidecar-output.ts';

afterEach(reportExposures);
afterAll(async () => {
  try {
    await runCleanup();
  } finally {
    await searchAllOutput();
  }
  reportExposures();
});
