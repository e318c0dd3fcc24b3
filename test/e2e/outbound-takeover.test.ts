import { afterEach, describe, expect, test } from 'bun:test';
import { type Cluster, startCluster } from './cluster.ts';

let cluster: Cluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

describe('the sidecar that registers', () => {
  test('is followed by the other one after kill -9, which registers everything again', async () => {
    cluster = await startCluster();
    const { peer } = cluster;
    const { holder, other } = await cluster.roles();
    holder.process.kill('SIGKILL');
    const killedAt = performance.now();
    const first = await peer.next((r) => r.header('User-Agent') === other.name, 9000);
    // The lease, and 5 s.
    expect(first.arrivedAt - killedAt).toBeLessThan(8000);
    expect(await cluster.roles()).toEqual({ holder: other, other: holder });
    expect(cluster.sendersSince(0)).toEqual([holder.name, other.name]);
  });

  test('gives the lead away when it is told to stop, and takes nothing back from the carriers', async () => {
    cluster = await startCluster();
    const { peer } = cluster;
    const { holder, other } = await cluster.roles();
    holder.process.kill('SIGTERM');
    const toldAt = performance.now();
    const first = await peer.next((r) => r.header('User-Agent') === other.name, 9000);
    expect(first.arrivedAt - toldAt).toBeLessThan(2000);
    expect(await cluster.roles()).toMatchObject({ holder: other });
    expect((await holder.process.exited).code).toBe(0);
    expect(peer.requests.filter((r) => r.header('Expires') === '0')).toEqual([]);
    expect(cluster.sendersSince(0)).toEqual([holder.name, other.name]);
  });
});
