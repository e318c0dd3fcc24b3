import { expect, test } from 'bun:test';
import * as v from 'valibot';
import { readYaml } from './yaml.ts';

const Job = v.looseObject({
  'timeout-minutes': v.number(),
  permissions: v.record(v.string(), v.picklist(['read', 'write'])),
  steps: v.array(v.looseObject({ uses: v.optional(v.string()), run: v.optional(v.string()) })),
});
const Workflow = v.looseObject({ permissions: v.strictObject({}), jobs: v.record(v.string(), Job) });

const { jobs } = await readYaml('.github/workflows/ci.yml', Workflow);

test('the workflow runs the tests that a developer runs', () => {
  expect(jobs.test?.steps.some(({ run }) => run === '.ci/run')).toBe(true);
});

test('only the job of the image may write packages, and only the release contents', () => {
  const writes = Object.entries(jobs).map(([name, { permissions }]) => [
    name,
    Object.keys(permissions).filter((what) => permissions[what] === 'write'),
  ]);
  expect(Object.fromEntries(writes)).toEqual({ test: [], build: [], image: ['packages'], release: ['contents'] });
});

test('actions are pinned', () => {
  const actions = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ uses }) => uses ?? []));
  for (const action of actions) expect(action).toMatch(/^(actions|docker)\/[\w-]+@(v\d+|[0-9a-f]{40})$/);
});
