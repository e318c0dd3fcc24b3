import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { type SidecarOptions, startEmbedded } from './sidecar.ts';

/** The engine's options in the environment with which the process was executed last. */
async function engineOptions(options: SidecarOptions): Promise<Record<string, string>> {
  const sidecar = await startEmbedded(options);
  const variables = readFileSync(`/proc/${sidecar.process.pid}/environ`, 'utf8').split('\0');
  expect(await sidecar.stop()).toBe(0);
  const pairs = variables.filter((line) => line.startsWith('BUN_JSC_')).map((line) => line.split('='));
  return Object.fromEntries(pairs);
}

test('serve runs with options of the engine that save memory, as the process that was started', async () => {
  expect(await engineOptions({})).toEqual({
    BUN_JSC_forceRAMSize: String(8 * 2 ** 30),
    BUN_JSC_minEdenToOldGenerationRatio: '0.42',
  });
});

test('serve leaves the options of the engine to an operator who sets one of them', async () => {
  const env = { BUN_JSC_forceRAMSize: '1000000000' };
  expect(await engineOptions({ env })).toEqual(env);
});
