import { expect, test } from 'bun:test';
import { HIDDEN } from '../../src/config/effective.ts';
import { secret } from '../support/secrets.ts';
import { cli, startEmbedded } from './sidecar.ts';

const DEADLINE_MS = 30_000;

test('log level shows the level, changes it, and names a misspelt one', async () => {
  const sidecar = await startEmbedded({ env: { JAMBONES_LOGLEVEL: 'info' } });
  expect(await cli(sidecar, 'log', 'level')).toEqual({ code: 0, stdout: 'info', stderr: '' });
  expect(await cli(sidecar, 'log', 'level', 'debgu')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^logLevel must be one of .*\. Did you mean debug\?$/),
  });
  expect(await cli(sidecar, 'log', 'level', 'warn')).toEqual({ code: 0, stdout: '✓ warn', stderr: '' });
  expect(await cli(sidecar, 'get', 'logLevel')).toMatchObject({ code: 0, stdout: 'logLevel = "warn"' });
  expect(JSON.parse((await cli(sidecar, 'log', 'level', '--json')).stdout)).toMatchObject({ value: 'warn' });
});

test('config shows the values of the running sidecar, where they came from, and no secret', async () => {
  const env = { ENCRYPTION_SECRET: secret('the encryption secret', 'correct horse'), JAMBONES_CLUSTER_ID: 'west' };
  const sidecar = await startEmbedded({ env });
  await cli(sidecar, 'log', 'level', 'debug');
  const { stdout } = await cli(sidecar, 'config', '--changed');
  const rows = stdout.split('\n').map((line) => line.trim().split(/\s{2,}/));
  expect(rows).toContainEqual(['VARIABLE', 'FROM', 'VALUE']);
  expect(rows).toContainEqual(['ENCRYPTION_SECRET', 'environment', HIDDEN]);
  expect(rows).toContainEqual(['JAMBONES_CLUSTER_ID', 'environment', 'west']);
  expect(rows).toContainEqual(['JAMBONES_LOGLEVEL', 'log level', 'debug']);
  expect(rows).toContainEqual(['SIDECAR_EMBEDDED', 'command line', 'on']);
  expect(stdout).not.toContain('JAMBONES_REDIS_PORT');
  const everything = (await cli(sidecar, 'config')).stdout;
  expect(everything).toMatch(/^ +JAMBONES_REDIS_PORT +default +6379$/m);
  expect(everything).not.toContain(env.ENCRYPTION_SECRET);
});

test('config says that a secret of our own making is in a file', async () => {
  const sidecar = await startEmbedded({});
  expect((await cli(sidecar, 'config')).stdout).toMatch(/^ +ENCRYPTION_SECRET +file +\[hidden\]$/m);
});

test('an act is logged with the user and the process that asked, at any log level', async () => {
  const sidecar = await startEmbedded({ env: { JAMBONES_LOGLEVEL: 'info' } });
  const uid = process.geteuid?.();
  await cli(sidecar, 'log', 'level', 'silent');
  const [first] = await sidecar.process.line(/^.*"act":"set".*$/, DEADLINE_MS);
  expect(JSON.parse(first)).toMatchObject({
    level: 30,
    key: 'logLevel',
    value: 'silent',
    uid,
    peerPid: expect.any(Number),
  });
  await cli(sidecar, 'fs', 'drain', '10.0.0.1', '--force');
  const [second] = await sidecar.process.line(/^.*"act":"fs-drain".*$/, DEADLINE_MS);
  expect(JSON.parse(second)).toMatchObject({ server: '10.0.0.1', uid, result: 'done' });
});
