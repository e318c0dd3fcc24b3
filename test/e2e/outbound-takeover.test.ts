import { afterEach, describe, expect, test } from 'bun:test';
import { removeCarriers } from '../support/carriers.ts';
import { type Cluster, startCluster } from './cluster.ts';

let cluster: Cluster;
afterEach(async () => {
  await cluster.stop();
  await removeCarriers();
});

describe('the sidecar that registers', () => {
  test('is followed by the other one after kill -9, which registers everything again', async () => {
    cluster = await startCluster();
    const { holder, other, peer } = cluster;
    holder.process.kill('SIGKILL');
    const killedAt = performance.now();
    const first = await peer.next((r) => r.header('User-Agent') === other.name, 8000);
    await cluster.allRegisteredBy(other);
    console.log('kill -9: first request after', first.arrivedAt - killedAt, 'all', performance.now() - killedAt);
    expect(first.arrivedAt - killedAt).toBeLessThan(8000);
    expect(cluster.senders()).toEqual([holder.name, other.name]);
  });

  test('gives the lead away when it is told to stop', async () => {
    cluster = await startCluster();
    const { holder, other, peer } = cluster;
    const before = peer.requests.length;
    holder.process.kill('SIGTERM');
    const toldAt = performance.now();
    const first = await peer.next((r) => r.header('User-Agent') === other.name, 8000);
    console.log('SIGTERM: first request after', first.arrivedAt - toldAt);
    expect(first.arrivedAt - toldAt).toBeLessThan(2000);
    await cluster.allRegisteredBy(other);
    expect((await holder.process.exited).code).toBe(0);
    // It leaves what is registered as it is: the other one goes on with it.
    expect(peer.requests.slice(before).filter((r) => r.header('Expires') === '0')).toEqual([]);
    expect(cluster.senders()).toEqual([holder.name, other.name]);
  });
});
