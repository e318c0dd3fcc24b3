import { expect, test } from 'bun:test';
import { within } from '../support/deadline.ts';
import { spawnProcess } from '../support/process.ts';

const ROOT = new URL('../../', import.meta.url).pathname;

test('the client of InfluxDB is not loaded with the sidecar', async () => {
  const loaded = async (more: string) => {
    const script = `await import('./src/sidecar/serve.ts'); ${more}
      console.log(Object.keys(require.cache).filter((path) => path.includes('influxdb-client')).length);`;
    const bun = spawnProcess(process.execPath, ['-e', script], { cwd: ROOT });
    await within(bun.exited, 60_000, 'the end of bun');
    return bun.stdout.at(-1);
  };
  expect(await loaded('')).toBe('0');
  expect(await loaded(`await import('./src/adapters/influx/index.ts');`)).toBe('1');
});
