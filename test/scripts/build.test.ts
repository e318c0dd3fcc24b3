import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { spawnProcess } from '../support/process.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const DEADLINE_MS = 60_000;

async function built(name: string): Promise<string> {
  const path = join(temporaryDirectory('build'), name);
  const env = { GIT_COMMIT: '4f1c2d9be07a', SOURCE_DATE_EPOCH: '1777852800' };
  const build = spawnProcess(process.execPath, ['build.ts', path], { cwd: ROOT, env });
  expect((await within(build.exited, DEADLINE_MS, 'build')).code).toBe(0);
  return path;
}

test('two builds of one commit are the same to the byte, and know the commit and its date', async () => {
  const [one, two] = [await built('sbc-sip-sidecar'), await built('sbc-sip-sidecar')];
  const hash = async (path: string) => Bun.hash(await Bun.file(path).arrayBuffer());
  expect(await hash(two)).toBe(await hash(one));
  const version = spawnProcess(one, ['version', '--json']);
  await within(version.exited, DEADLINE_MS, 'version');
  expect(JSON.parse(version.stdout.join())).toMatchObject({ commit: '4f1c2d9be07a', built: '2026-05-04' });
});
