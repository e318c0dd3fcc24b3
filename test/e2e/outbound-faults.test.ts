import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { RowDataPacket } from 'mysql2/promise';
import { eventually } from '../support/eventually.ts';
import { sharedMariadb } from '../support/mariadb.ts';
import type { RedisServer } from '../support/redis.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { isLeading, pinged, QUICK, trunk } from './outbound.ts';
import { fileWith, startEmbedded } from './sidecar.ts';

// A request without a response fails after 32 s (RFC 3261 17.1.2.2): started first, checked last.
const mute = await SipPeer.start(() => 'silent');
const asking = await startEmbedded({
  args: [
    '--provision',
    await fileWith(
      'p.toml',
      `[[carrier]]
name = "mute"
register = { username = "line", password = "pass" }
[[carrier.gateway]]
host = "${mute.host}"
port = ${mute.port}
options_ping = true
`,
    ),
  ],
  env: { ...QUICK, SEND_OPTIONS_PING_INTERVAL: '1' },
});

const mariadb = await sharedMariadb();
const STOOD_DOWN = /does not register at carriers any more/;

afterAll(async () => {
  expect(await asking.stop()).toBe(0);
});

/** Resolves `ms` after a moment of performance.now(). */
async function passed(ms: number, since: number): Promise<void> {
  await eventually(`${ms} ms`, () => performance.now() - since >= ms || undefined, { deadlineMs: ms + 1000 });
}

describe('when the lease holder ends', () => {
  test('by kill -9, the other sidecar takes over and registers every trunk again', async () => {
    await using cluster = await startCluster();
    const { peer } = cluster;
    const { holder, other } = await cluster.roles();
    holder.process.kill('SIGKILL');
    const killedAt = performance.now();
    const first = await peer.next((r) => r.header('User-Agent') === other.name, 9000);
    // The lease (3 s) and 5 s.
    expect(first.arrivedAt - killedAt).toBeLessThan(8000);
    expect(await cluster.roles()).toEqual({ holder: other, other: holder });
    expect(cluster.sendersSince(0)).toEqual([holder.name, other.name]);
  });

  test('by SIGTERM, the other sidecar takes over sooner, and nothing is un-registered', async () => {
    await using cluster = await startCluster();
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

describe('a cluster', () => {
  let cluster: Cluster;
  let redis: RedisServer;
  let peer: SipPeer;
  beforeAll(async () => {
    cluster = await startCluster();
    ({ redis, peer } = cluster);
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  /** One sidecar leads, and the two never sent in alternation. */
  async function expectOneLeader(names: { holder: string; other: string }, from: number): Promise<void> {
    expect([[names.holder], [names.other], [names.holder, names.other]]).toContainEqual(cluster.sendersSince(from));
    const { holder, other } = await cluster.roles();
    expect([await isLeading(holder), await isLeading(other)]).toEqual([true, false]);
  }

  describe('Redis', () => {
    test('flushed: one sidecar registers every trunk again', async () => {
      const { holder, other } = await cluster.roles();
      const from = peer.requests.length;
      await redis.client.flushall();
      await cluster.registeredSince(from, 'anew');
      await expectOneLeader({ holder: holder.name, other: other.name }, from);
    });

    test('restarted, empty: one sidecar registers every trunk again', async () => {
      const { holder, other } = await cluster.roles();
      const from = peer.requests.length;
      await redis.stop();
      await redis.start();
      await cluster.registeredSince(from, 'anew', 8000);
      await expectOneLeader({ holder: holder.name, other: other.name }, from);
    });

    test('hanging for longer than the lease: no sidecar sends until it is back, then one does', async () => {
      const { holder, other } = await cluster.roles();
      const start = peer.requests.length;
      const lines = holder.process.lines.length;
      await redis.kill('SIGSTOP');
      const frozenAt = performance.now();
      await holder.process.line(STOOD_DOWN, 3000, lines);
      const from = peer.requests.length;
      await passed(4500, frozenAt);
      expect(peer.requests.length).toBe(from);
      await redis.kill('SIGCONT');
      await cluster.registeredSince(from, 'anew', 8000);
      await expectOneLeader({ holder: holder.name, other: other.name }, start);
    });

    test('closing its connections: the holder keeps the lease', async () => {
      const { holder, other } = await cluster.roles();
      const [from, lines] = [peer.requests.length, holder.process.lines.length];
      await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await holder.process.line(/Redis connected/, 5000, lines);
      await cluster.registeredSince(peer.requests.length);
      expect(holder.process.lines.slice(lines).filter((line) => STOOD_DOWN.test(line))).toEqual([]);
      expect(cluster.sendersSince(from)).toEqual([holder.name]);
      expect(await isLeading(other)).toBe(false);
    });
  });

  describe('the lease holder', () => {
    test('paused for longer than the lease sends nothing when it resumes', async () => {
      const { holder, other } = await cluster.roles();
      const { granted } = cluster;
      // Long enough that no request is in progress when it stops, and every refresh is due when it resumes.
      cluster.granted = 6;
      await cluster.registeredSince(peer.requests.length);
      cluster.granted = granted;
      const from = peer.requests.length;
      await holder.process.freeze();
      const frozenAt = performance.now();
      const first = await peer.next((r) => peer.requests.length > from && r.header('User-Agent') === other.name, 9000);
      expect(first.arrivedAt - frozenAt).toBeLessThan(8000);
      const lines = holder.process.lines.length;
      holder.process.kill('SIGCONT');
      await holder.process.line(STOOD_DOWN, 5000, lines);
      await cluster.registeredSince(peer.requests.length);
      expect(cluster.sendersSince(from)).toEqual([other.name]);
      expect(await cluster.roles()).toMatchObject({ holder: other });
    });
  });

  describe('MariaDB', () => {
    test.if(mariadb.own)('down: registrations are refreshed, and their statuses saved when it is back', async () => {
      const { holder } = await cluster.roles();
      const from = peer.requests.length;
      await mariadb.stop();
      try {
        for (let round = 1; round <= 2; round++) await cluster.registeredSince(peer.requests.length);
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
      expect(cluster.sendersSince(from)).toEqual([holder.name]);
    });

    test.if(mariadb.own)('down: the other sidecar can still take over', async () => {
      const { holder, other } = await cluster.roles();
      const from = peer.requests.length;
      await mariadb.stop();
      try {
        await holder.process.freeze();
        await cluster.registeredSince(from, 'anew', 9000);
        expect(cluster.sendersSince(peer.requests.length - 1)).toEqual([other.name]);
      } finally {
        holder.process.kill('SIGCONT');
        await mariadb.start();
      }
      expect(await cluster.roles()).toMatchObject({ holder: other });
    });
  });
});

describe('a gateway that never answers', () => {
  test('fails and is down after 32 s of retransmissions', async () => {
    const [gateway = ''] = mute.requests.flatMap((r) => (r.method === 'REGISTER' ? [r.header('Call-ID') ?? ''] : []));
    const failing = await trunk(asking, gateway, 'failing', 40_000);
    expect(failing.lastReason).toBe('408 Request Timeout, no answer');
    const { lastAnswer } = await pinged(asking, gateway, 'down', 5000);
    expect(lastAnswer).toBe('no answer (408 Request Timeout)');
    expect(mute.requests.filter((r) => r.method === 'REGISTER')).toHaveLength(1);
    expect(mute.retransmissions).toBeGreaterThan(10);
  });
});
