import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { FeatureServerRow, GatewayRow, Status, TrunkRow } from '../../src/admin/protocol.ts';
import { onCleanup, temporaryDirectory } from './cleanup.ts';

/** The reply to a request: an object as one JSON line, a string as it is before the connection ends, or nothing. */
export type Reply = (request: Record<string, unknown>) => object | string | undefined;

/** A scripted server of the admin protocol. */
export class AdminPeer {
  readonly path = join(temporaryDirectory('admin'), 'admin.sock');
  /** Every request so far. */
  readonly asked: Record<string, unknown>[] = [];
  reply: Reply;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #heard = Promise.withResolvers<void>();

  constructor(reply: Reply = () => undefined) {
    this.reply = reply;
    onCleanup(() => this.stop());
  }

  static async start(reply?: Reply): Promise<AdminPeer> {
    const peer = new AdminPeer(reply);
    await peer.start();
    return peer;
  }

  async start(): Promise<void> {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      const ignore = () => {};
      socket.on('error', ignore);
      const lines = createInterface({ input: socket });
      lines.on('line', (line) => this.#answer(socket, line)).on('error', ignore);
    });
    this.#server.listen(this.path);
    await once(this.#server, 'listening');
  }

  #answer(socket: Socket, line: string): void {
    const request: Record<string, unknown> = JSON.parse(line);
    const reply = this.reply(request);
    if (typeof reply === 'string') socket.end(reply);
    else if (reply) socket.write(`${JSON.stringify(reply)}\n`);
    this.asked.push(request);
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
  }

  /** Resolves after this many requests. */
  async requests(count: number): Promise<void> {
    while (this.asked.length < count) await this.#heard.promise;
  }

  stop(): void {
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** The answer to `fs-list`, 12 s after the last check-ins unless the rows say otherwise. */
export function serverList(...servers: readonly Partial<FeatureServerRow>[]) {
  const rows = servers.map(
    (row): FeatureServerRow => ({
      server: '10.0.0.1:5060',
      status: 'active',
      calls: 0,
      lastCheckIn: 1_000_000,
      serviceUrl: null,
      ...row,
    }),
  );
  const drained = rows.filter(({ status }) => status !== 'active').map(({ server }) => server.split(':')[0]);
  return { success: true, servers: rows, drained, now: 1_012_000 };
}

/** `now` of the answers below. */
const NOW = 1_800_000_000_000;
const TARGET = { carrier: 'Acme', host: 'sip.acme.example', port: null, transport: 'udp' };
export const LEADING = { leading: true, holder: 'sbc-1/7/abc' };

/** A trunk, registered for 2 minutes unless `row` says otherwise. */
function trunkRow(row: Partial<TrunkRow> = {}): TrunkRow {
  return {
    ...TARGET,
    carrierSid: 'carrier-1',
    gateway: 'gateway-1',
    realm: 'acme.example',
    username: 'us',
    trunkType: 'auth',
    state: 'registered',
    since: NOW - 120_000,
    expiresAt: NOW + 3_480_000,
    lastReason: '200 OK',
    nextTryAt: NOW + 3_000_000,
    failures: 0,
    cseq: 17,
    ...row,
  };
}

export function trunkList(...trunks: readonly Partial<TrunkRow>[]) {
  return { success: true, trunks: trunks.map(trunkRow), skipped: [], now: NOW, ...LEADING };
}

export function trunkShown(trunk: Partial<TrunkRow>) {
  return { success: true, trunk: trunkRow(trunk), now: NOW };
}

/** The answer to `gateway-list`; gateways are up for an hour unless the rows say otherwise. */
export function gatewayList(...gateways: readonly Partial<GatewayRow>[]) {
  const rows = gateways.map(
    (row): GatewayRow => ({
      ...TARGET,
      gateway: 'gateway-1',
      state: 'up',
      since: NOW - 3_600_000,
      lastAnswer: '200 OK',
      lastAnswerAt: NOW - 4000,
      rttMs: 18.4,
      ...row,
    }),
  );
  return { success: true, gateways: rows, now: NOW, ...LEADING };
}

/** The answer to `status` of a leader without carriers, beside drachtio, 3 h 12 min after its start. */
export function statusOf(status: Partial<Status> = {}) {
  return {
    success: true,
    version: '1.0.0',
    pid: 4711,
    startedAt: 0,
    now: 11_520_000,
    ready: true,
    readiness: 'ready',
    notReadyBecause: null,
    dependencies: [
      { role: 'sip', name: 'drachtio', address: '127.0.0.1:9022', state: 'up', since: 0, why: null },
      { role: 'store', name: 'Redis', address: 'redis.example:6379', state: 'up', since: 0, why: null },
      { role: 'database', name: 'MySQL', address: 'db.example:3306', state: 'up', since: 0, why: null },
    ],
    sip: { server: 'drachtio', connected: true, hostports: 'udp/192.0.2.1:5060,tcp/192.0.2.1:5060' },
    edge: null,
    store: 'redis',
    directory: 'mysql',
    clusterId: 'default',
    featureServers: { active: 2, drained: 1 },
    rtpServers: 1,
    registeredAors: 1234,
    bans: 2,
    alerts: null,
    outbound: { ...LEADING, trunks: { total: 0, registered: 0 }, gateways: { up: 0, down: 0, unknown: 0 } },
    ...status,
  };
}
