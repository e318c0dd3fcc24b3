import { describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { onCleanup } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { openDatabase } from '../support/mariadb.ts';
import { freePort } from '../support/net.ts';
import { headerOf, registerOnce, type User } from '../support/phone.ts';
import { startRedis } from '../support/redis.ts';
import { insertAccount } from '../support/schema.ts';
import { complaints, DEADLINE_MS, health, newUser, UP } from './health.ts';
import { outsideStores, startEmbedded } from './sidecar.ts';

const GRANTED = JSON.stringify({ status: 'ok' });
/** In a row, after which the circuit opens. */
const FAILURES = 5;

const DOWN = 'webhook is down, its users are refused until it is back';

const mysql = await openDatabase();
const redis = await startRedis();
const sidecar = await startEmbedded({
  env: { ...outsideStores(redis, mysql), JAMBONES_WEBHOOK_TIMEOUT_MS: '1000' },
});

/** A customer's web server, which grants every registration while it is well. */
class CustomerServer {
  status = 200;
  delayMs = 0;
  hangs = false;
  readonly #server = createServer((request, response) => {
    request.resume();
    if (this.hangs) return;
    setTimeout(() => response.writeHead(this.status).end(GRANTED), this.delayMs);
  });

  private constructor(private readonly port: number) {}

  static async start(): Promise<CustomerServer> {
    const server = new CustomerServer(await freePort());
    await server.listen();
    onCleanup(() => server.close());
    return server;
  }

  async listen(): Promise<void> {
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** A user of a new account with this webhook. */
  async newUser(): Promise<User> {
    const realm = `${crypto.randomUUID()}.example.com`;
    await insertAccount(mysql, {
      realm,
      webhook: { url: `http://127.0.0.1:${this.port}/auth?token=t0ken-0f-the-w3bhook` },
    });
    return { user: 'carol', password: 'any-password', realm };
  }
}

async function registers(user: User): Promise<void> {
  expect((await registerOnce(sidecar.sip, user)).status).toBe(200);
}

async function isRefused(user: User): Promise<void> {
  const refused = await registerOnce(sidecar.sip, user);
  expect(refused.status).toBe(503);
  expect(headerOf(refused, 'Retry-After')).toBe('5');
}

type Change = (server: CustomerServer) => unknown;
type Row = readonly [what: string, wasUp: boolean, begin: Change, end: Change];

const ROWS: readonly Row[] = [
  ['is down at the start', false, (server) => server.close(), (server) => server.listen()],
  ['goes down', true, (server) => server.close(), (server) => server.listen()],
  ['hangs', true, set({ hangs: true }), set({ hangs: false })],
  ['fails', true, set({ status: 500 }), set({ status: 200 })],
  ['is too slow', true, set({ delayMs: 3_000 }), set({ delayMs: 0 })],
];

function set(changes: Partial<CustomerServer>): Change {
  return (server) => Object.assign(server, changes);
}

describe('an outage of a webhook: its users are answered 503, others are served', () => {
  test.concurrent.each(ROWS)('the webhook %s', async (_, wasUp, begin, end) => {
    const [server, neighbour] = await Promise.all([CustomerServer.start(), CustomerServer.start()]);
    const [carol, otherCustomer, alice] = await Promise.all([server.newUser(), neighbour.newUser(), newUser(mysql)]);
    if (wasUp) await registers(carol);
    await begin(server);
    await Promise.all([
      ...Array.from({ length: FAILURES }, () => isRefused(carol)),
      registers(otherCustomer),
      registers(alice),
    ]);
    await sidecar.process.line(new RegExp(`${carol.realm}.*webhook is down`), DEADLINE_MS);
    for (let i = 0; i < FAILURES; i++) await isRefused(carol);
    await registers(otherCustomer);
    expect(await health(sidecar)).toEqual(UP);
    await end(server);
    await eventually('registered', async () => (await registerOnce(sidecar.sip, carol)).status === 200 || undefined);
    await registers(carol);
    const about = new RegExp(carol.realm);
    expect(complaints(sidecar.process, 0, about)).toEqual([DOWN]);
    const others = complaints(sidecar.process, 0).filter((line) => line !== DOWN && line !== 'alert');
    expect(others).toEqual([]);
    const back = new RegExp(`${carol.realm}.*webhook is back`);
    await sidecar.process.line(back, DEADLINE_MS);
    expect(sidecar.process.lines.filter((line) => back.test(line))).toHaveLength(1);
  });

  test('a webhook that takes 300 ms serves', async () => {
    const server = await CustomerServer.start();
    server.delayMs = 300;
    const carol = await server.newUser();
    for (let i = 0; i < FAILURES + 1; i++) await registers(carol);
    expect(complaints(sidecar.process, 0, new RegExp(carol.realm))).toEqual([]);
  });
});
