import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { spawnProcess } from '../support/process.ts';

const RUNNER = join(import.meta.dir, '../../scripts/run-tests.mjs');
const DEADLINE_MS = 50_000;

/** What the runner counts in these test files, by name. */
async function count(files: Readonly<Record<string, string>>) {
  const cwd = temporaryDirectory('runner');
  for (const [name, text] of Object.entries(files))
    await Bun.write(
      join(cwd, `${name}.test.ts`),
      `import { afterAll, beforeAll, describe, test } from 'bun:test';\n${text}`,
    );
  const script = `
    import { runTests } from ${JSON.stringify(RUNNER)};
    const result = await runTests({ bun: process.execPath, cwd: ${JSON.stringify(cwd)}, args: [] });
    console.log(JSON.stringify(result));`;
  // By way of a process of its own: what it prints is no result of ours.
  const runner = spawnProcess(process.execPath, ['-e', script]);
  await within(runner.exited, DEADLINE_MS, 'end of the runner');
  return JSON.parse(runner.stdout.at(-1) ?? '');
}

const GREEN = `test('green', () => {}); test.skip('skipped', () => {}); test.todo('to do');`;
const RED = `test('red', () => { throw new Error('red'); });`;
const THREE = `describe('some', () => { test('one', () => {}); test('two', () => {}); }); test('three', () => {});`;

test('tests that pass and fail are counted, those that are skipped are not', async () => {
  expect(await count({ green: GREEN })).toEqual({ passed: 1, failed: 0, faults: [] });
  expect(await count({ green: GREEN, red: GREEN + RED })).toEqual({ passed: 2, failed: 1, faults: [] });
});

test('a failure that bun lists again after many tests counts once', async () => {
  const many = `for (let i = 0; i < 30; i++) test(String(i), () => {});`;
  expect(await count({ a: many + RED })).toMatchObject({ passed: 30, failed: 1 });
});

// The file beside it is red: a run that fails anyway must not hide the rest.
test.each([
  ['a beforeAll that throws', `beforeAll(() => { throw new Error('set-up'); });\n${THREE}`, 0, 4],
  [
    'a beforeAll that rejects, in a describe',
    `describe('x', () => { beforeAll(async () => { throw 1; }); ${THREE} });\n${GREEN}`,
    1,
    4,
  ],
  ['an afterAll that throws', `afterAll(() => { throw new Error('end'); });\n${THREE}`, 3, 1],
  ['a module that is not there', `import './nowhere.ts';\n${THREE}`, 0, 1],
  ['an error at the top level', `${THREE}\nthrow new Error('top');`, 0, 1],
  ['a rejection at the top level', `${THREE}\nawait Promise.reject(new Error('top'));`, 0, 1],
  ['a describe that throws', `describe('x', () => { ${THREE} throw new Error('in it'); });\n${GREEN}`, 1, 1],
])('%s is counted, and each test that it kept from running', async (_what, text, passed, failed) => {
  expect(await count({ a: text, b: RED })).toMatchObject({ passed, failed: failed + 1 });
});

test('process.exit(0) in a test is a failure, and so is each test that it kept from running', async () => {
  const text = `test('one', () => {}); test('two', () => process.exit(0)); test('three', () => {});`;
  const { passed, failed, faults } = await count({ a: text });
  expect({ passed, failed }).toEqual({ passed: 1, failed: 3 });
  expect(faults).toContainEqual(expect.stringContaining('without a summary: exit code 0'));
});
