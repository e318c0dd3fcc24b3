import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { sidecarBinary } from '../support/binary.ts';
import { within } from '../support/deadline.ts';
import { spawnProcess } from '../support/process.ts';

// Short runs of the scripts in bench/ against the compiled binary.

const DEADLINE_MS = 58_000;

test.each([
  ['mutated messages and connections with incomplete ones', 'fuzz', /^every sound request was answered/],
  ['connections that come and go under load', 'soak', /^nothing grew, nothing failed/],
  ['messages over each transport, beside bare handlers', 'edge', /^answers that were no 200, or missing: 0$/],
])(
  '%s',
  async (_what, folder, verdict) => {
    const script = join(import.meta.dir, '../../bench', folder, 'index.ts');
    const run = spawnProcess(process.execPath, [script, '--smoke', '--binary', await sidecarBinary()]);
    try {
      const { code } = await within(run.exited, DEADLINE_MS, `end of bench/${folder}`);
      expect(run.lines.filter((line) => /failed:|^no answer|error/i.test(line))).toEqual([]);
      expect(run.lines.filter((line) => verdict.test(line))).toHaveLength(1);
      expect(code).toBe(0);
    } finally {
      run.kill('SIGKILL');
    }
  },
  DEADLINE_MS + 5000,
);
