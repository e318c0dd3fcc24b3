import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { RowDataPacket } from 'mysql2/promise';
import { CARRIER_PASSWORD } from '../support/carriers.ts';
import { eventually } from '../support/eventually.ts';
import { openDatabase } from '../support/mariadb.ts';
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
register = { username = "line", password = "${CARRIER_PASSWORD}" }
[[carrier.gateway]]
host = "${mute.host}"
port = ${mute.port}
options_ping = true
`,
    ),
  ],
  env: { ...QUICK, SEND_OPTIONS_PING_INTERVAL: '1' },
});

const mariadb = await openDatabase();
/** For what takes a few seconds. */
const DEADLINE_MS = 30_000;
/** Twice the time within which every registration is refreshed. */
const SILENT_MS = 2000;
const STOOD_DOWN = /does not register at carriers any more/;

afterAll(async () => {
  expect(await asking.stop()).toBe(0);
});

test('a lease holder whose connections Redis closes keeps the lease', async () => {
  // Longer than a busy machine may need to connect again.
  await using cluster = await startCluster(mariadb, { JAMBONES_REGBOT_LEASE_SECONDS: '20' });
  const { peer, redis } = cluster;
  const { holder, other } = await cluster.roles();
  const [from, lines] = [peer.requests.length, holder.process.lines.length];
  await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await holder.process.line(/Redis answers again/, DEADLINE_MS, lines);
  await cluster.registeredSince(peer.requests.length);
  expect(holder.process.lines.slice(lines).filter((line) => STOOD_DOWN.test(line))).toEqual([]);
  expect(cluster.sendersSince(from)).toEqual([holder.name]);
  expect(await isLeading(other)).toBe(false);
});

describe('when the lease holder ends', () => {
  test('by kill -9, the other sidecar takes over and registers every trunk again', async () => {
    await using cluster = await startCluster(mariadb);
    const { peer } = cluster;
    const { holder, other } = await cluster.roles();
    holder.process.kill('SIGKILL');
    await peer.next((r) => r.header('User-Agent') === other.name, DEADLINE_MS);
    expect(await cluster.roles()).toEqual({ holder: other, other: holder });
    expect(cluster.sendersSince(0)).toEqual([holder.name, other.name]);
  });

  test('by SIGTERM, it releases its lease, the other sidecar takes over, and nothing is un-registered', async () => {
    await using cluster = await startCluster(mariadb);
    const { peer, redis } = cluster;
    const { holder, other } = await cluster.roles();
    const [lease = ''] = await redis.client.keys('*regbot-token');
    const token = await redis.client.get(lease);
    await redis.client.persist(lease);
    expect(await holder.stop()).toBe(0);
    expect(await redis.client.get(lease)).not.toBe(token);
    await peer.next((r) => r.header('User-Agent') === other.name, DEADLINE_MS);
    expect(await cluster.roles()).toMatchObject({ holder: other });
    expect(peer.requests.filter((r) => r.header('Expires') === '0')).toEqual([]);
    expect(cluster.sendersSince(0)).toEqual([holder.name, other.name]);
  });
});

describe('a cluster', () => {
  let cluster: Cluster;
  let redis: RedisServer;
  let peer: SipPeer;
  beforeAll(async () => {
    cluster = await startCluster(mariadb);
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
      await cluster.registeredSince(from, 'anew');
      await expectOneLeader({ holder: holder.name, other: other.name }, from);
    });

    test('hanging for longer than the lease: no sidecar sends until it is back, then one does', async () => {
      const { holder, other } = await cluster.roles();
      const start = peer.requests.length;
      const lines = holder.process.lines.length;
      await redis.kill('SIGSTOP');
      await holder.process.line(STOOD_DOWN, DEADLINE_MS, lines);
      // What was sent before has come by the time that it answers.
      expect(await isLeading(holder)).toBe(false);
      const from = peer.requests.length;
      await Bun.sleep(SILENT_MS);
      expect(peer.requests.length).toBe(from);
      await redis.kill('SIGCONT');
      await cluster.registeredSince(from, 'anew');
      await expectOneLeader({ holder: holder.name, other: other.name }, start);
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
      await peer.next((r) => peer.requests.length > from && r.header('User-Agent') === other.name, DEADLINE_MS);
      const lines = holder.process.lines.length;
      holder.process.kill('SIGCONT');
      await holder.process.line(STOOD_DOWN, DEADLINE_MS, lines);
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
        await cluster.registeredSince(from, 'anew');
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
    const failing = await trunk(asking, gateway, 'failing', 50_000);
    expect(failing.lastReason).toBe('408 Request Timeout, no response');
    const { lastAnswer } = await pinged(asking, gateway, 'down');
    expect(lastAnswer).toBe('no answer (408 Request Timeout, no response)');
    expect(mute.requests.filter((r) => r.method === 'REGISTER')).toHaveLength(1);
    expect(mute.retransmissions).toBeGreaterThan(10);
  });
});
