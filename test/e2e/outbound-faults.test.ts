import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import type { RowDataPacket } from 'mysql2/promise';
import { removeCarriers } from '../support/carriers.ts';
import { eventually } from '../support/eventually.ts';
import { sharedMariadb } from '../support/mariadb.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { isLeading, pinged, QUICK, trunk } from './outbound.ts';
import { fileWith, startEmbedded } from './sidecar.ts';

const mariadb = await sharedMariadb();
let cluster: Cluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
  await removeCarriers();
});

// A request nobody answers takes 32 s (RFC 3261 17.1.2.2) to fail: begun here, looked at in the end.
const mute = await SipPeer.start(() => 'silent');
const carrier = `
[[carrier]]
name = "mute"
register = { username = "line", password = "pass" }
[[carrier.gateway]]
host = "${mute.host}"
port = ${mute.port}
options_ping = true
`;
const asking = await startEmbedded({
  args: ['--provision', await fileWith('p.toml', carrier)],
  env: { ...QUICK, SEND_OPTIONS_PING_INTERVAL: '1' },
});
const askedAt = performance.now();
afterAll(async () => {
  expect(await asking.stop()).toBe(0);
});

/** Resolves when so many milliseconds have passed since a moment. */
function passed(ms: number, since: number): Promise<true> {
  const deadlineMs = ms + 1000;
  return eventually(`${ms} ms`, () => performance.now() - since >= ms || undefined, { deadlineMs });
}

describe('Redis', () => {
  test('that is flushed: everything is registered again, by one of them', async () => {
    cluster = await startCluster(600);
    const { redis, peer, holder, other } = cluster;
    const before = peer.requests.length;
    const from = performance.now();
    await redis.client.flushall();
    await cluster.allRegisteredSince(before);
    console.log('FLUSHALL: all again after', performance.now() - from);
    expect([[holder.name], [holder.name, other.name]]).toContainEqual(cluster.senders());
    expect([await isLeading(holder), await isLeading(other)].filter(Boolean)).toHaveLength(1);
  });

  test('that is restarted, empty: everything is registered again, by one of them', async () => {
    cluster = await startCluster(600);
    const { redis, peer, holder, other } = cluster;
    const before = peer.requests.length;
    await redis.stop();
    const from = performance.now();
    await redis.start();
    await cluster.allRegisteredSince(before, 10_000);
    console.log('restart: all again after', performance.now() - from);
    expect([[holder.name], [holder.name, other.name]]).toContainEqual(cluster.senders());
    expect([await isLeading(holder), await isLeading(other)].filter(Boolean)).toHaveLength(1);
  });

  test('that hangs for longer than the lease: nobody sends until it is back, then one of them', async () => {
    cluster = await startCluster();
    const { redis, peer, holder, other } = cluster;
    await redis.kill('SIGSTOP');
    const frozenAt = performance.now();
    await holder.process.line(/does not register at carriers any more/, 3500);
    console.log('stands down after', performance.now() - frozenAt);
    const silentFrom = peer.requests.length;
    await passed(4500, frozenAt);
    expect(peer.requests.length).toBe(silentFrom);
    await redis.kill('SIGCONT');
    const from = performance.now();
    await cluster.allRegisteredSince(silentFrom, 8000);
    console.log('resumed: all again after', performance.now() - from);
    expect([[holder.name], [holder.name, other.name]]).toContainEqual(cluster.senders());
  });

  test('that closes its connections: the lead stays where it is', async () => {
    cluster = await startCluster();
    const { redis, peer, holder, other } = cluster;
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    const before = peer.requests.length;
    await cluster.allRegisteredSince(before);
    expect(holder.process.lines.some((line) => line.includes('any more'))).toBe(false);
    expect(cluster.senders()).toEqual([holder.name]);
    expect(await isLeading(other)).toBe(false);
  });
});

describe('the sidecar that registers', () => {
  test('stands still for longer than the lease: it sends nothing when it goes on', async () => {
    cluster = await startCluster();
    const { peer, holder, other } = cluster;
    await holder.process.freeze();
    const frozenAt = performance.now();
    const first = await peer.next((r) => r.header('User-Agent') === other.name, 9000);
    console.log('frozen holder: first of the other after', first.arrivedAt - frozenAt);
    expect(first.arrivedAt - frozenAt).toBeLessThan(8000);
    await cluster.allRegisteredBy(other);
    const seen = holder.process.lines.length;
    holder.process.kill('SIGCONT');
    await holder.process.line(/does not register at carriers any more/, 5000, seen);
    await cluster.allRegisteredSince(peer.requests.length);
    expect(cluster.senders()).toEqual([holder.name, other.name]);
    expect(await isLeading(holder)).toBe(false);
  });
});

describe('MariaDB', () => {
  test.if(mariadb.own)(
    'that is gone for a while: registrations are refreshed, and their states written later',
    async () => {
      cluster = await startCluster();
      const { peer, holder } = cluster;
      await mariadb.stop();
      try {
        for (let round = 1; round <= 3; round++) await cluster.allRegisteredSince(peer.requests.length);
        await cluster.allRegisteredBy(holder);
      } finally {
        await mariadb.start();
      }
      const back = new Date().toISOString();
      await eventually('newer states', async () => {
        const [[row]] = await mariadb.pool.query<RowDataPacket[]>(
          "SELECT min(JSON_VALUE(register_status, '$.timestamp')) AS oldest FROM voip_carriers",
        );
        return row?.oldest > back || undefined;
      });
      expect(cluster.senders()).toEqual([holder.name]);
    },
  );
});

describe('a gateway that never answers', () => {
  test('is asked with retransmissions, then has failed and is down', async () => {
    const [gateway = ''] = mute.requests.flatMap((r) => (r.method === 'REGISTER' ? [r.header('Call-ID') ?? ''] : []));
    const failing = await trunk(asking, gateway, 'failing', 40_000);
    console.log('mute', performance.now() - askedAt);
    expect(failing.lastReason).toBe('408 Request Timeout, no answer');
    const { lastAnswer } = await pinged(asking, gateway, 'down', 5000);
    expect(lastAnswer).toBe('no answer (408 Request Timeout)');
    expect(mute.requests.filter((r) => r.method === 'REGISTER')).toHaveLength(1);
    expect(mute.retransmissions).toBeGreaterThan(10);
  });
});
