import { Database } from 'bun:sqlite';
import { expect } from 'bun:test';
import { join } from 'node:path';
import type { RowDataPacket } from 'mysql2/promise';
import { DATABASE_FILE } from '../../src/adapters/sqlite/open.ts';
import type { SipAnswer } from '../../src/ports/sip-server.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { type Mariadb, openDatabase } from '../support/mariadb.ts';
import { Phone, type User } from '../support/phone.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { insertAccount, insertClient } from '../support/schema.ts';
import type { Protocol } from '../support/wire.ts';
import { fileWith, outsideStores, type RunningSidecar, startEmbedded } from './sidecar.ts';

export const STORES = ['SQLite', 'Redis and MariaDB'] as const;
export type Stores = (typeof STORES)[number];

export const REALM = 'attacked.example.com';
export const OTHER_REALM = 'other.example.com';
/** Of all sidecars here, so that a test can make nonces of theirs. */
export const NONCE_SECRET = 'key of the attacked';

/** Has a binding that the attacks are after. */
export const ALICE: User = { user: 'alice', password: 'wonderland', realm: REALM };
/** Registers after each attack. */
const BOB: User = { user: 'bob', password: 'builders', realm: REALM };
/** Attacks with valid credentials. */
export const MALLORY: User = { user: 'mallory', password: 'man in the middle', realm: REALM };
/** Has a password of its own in another account. */
export const OTHER_ALICE: User = { user: 'alice', password: 'looking-glass', realm: OTHER_REALM };

const INTRUDER = '127.0.0.66';
/** Nonces, scores and the lease change all the time; everything else in the stores is compared. */
const FLEETING = /^sidecar:(nonce:|[^:]+:(probe|suspects|bans?|wrong-answers))|:regbot-token$/;
const FLEETING_TABLES = ['nonces', 'suspects', 'bans', 'wrong_answers', 'machine_leases', 'sbc_addresses'];

/** What the stores of a sidecar hold. */
interface Contents {
  readonly env: Readonly<Record<string, string>>;
  read(): Promise<Readonly<Record<string, unknown>>>;
}

interface Webhook {
  /** Of an account that has no users but those whom the webhook knows. */
  readonly realm: string;
  readonly url: string;
}

interface More {
  /** Beside Alice, Bob, Mallory and the other Alice. */
  readonly users?: readonly User[];
  readonly webhook?: Webhook;
}

/** Sidecars under attack, and what they have stored. */
export class Attacked {
  /** Alice's registered phone, and the credentials that it has registered with. */
  readonly #alice: { readonly phone: Phone; readonly captured: string };

  static async start(stores: Stores, more: More = {}): Promise<Attacked> {
    const users = [ALICE, BOB, MALLORY, OTHER_ALICE, ...(more.users ?? [])];
    const contents = await (stores === 'SQLite' ? sqlite : servers)(users, more.webhook);
    const start = () => startEmbedded({ env: { ...contents.env, ENCRYPTION_SECRET: NONCE_SECRET } });
    const sidecar = await start();
    // One sidecar at a time has a data directory.
    const another = stores === 'SQLite' ? sidecar : await start();
    const phone = await Phone.open(sidecar.sip, ALICE);
    const captured = phone.answer(await phone.send());
    expect((await phone.send({ authorization: captured })).status).toBe(200);
    return new Attacked(contents, start, sidecar, another, phone, captured);
  }

  private constructor(
    private readonly contents: Contents,
    private readonly startSidecar: () => Promise<RunningSidecar>,
    public sidecar: RunningSidecar,
    /** Another one on the same stores if these can be shared. */
    readonly another: RunningSidecar,
    phone: Phone,
    captured: string,
  ) {
    this.#alice = { phone, captured };
  }

  get alice(): Phone {
    return this.#alice.phone;
  }

  get captured(): string {
    return this.#alice.captured;
  }

  /** A phone at another address than Alice's. */
  intruder(user: User, { at = this.sidecar, protocol = 'udp' }: { at?: RunningSidecar; protocol?: Protocol } = {}) {
    return Phone.open(at.sip, user, protocol, { address: INTRUDER });
  }

  /** All that is stored and lasts. */
  stored(): Promise<Readonly<Record<string, unknown>>> {
    return this.contents.read();
  }

  /** Runs an attack. Afterwards the same is stored as before, and Bob's phone registers. */
  async unharmedBy<T>(attack: () => Promise<T>): Promise<T> {
    const before = await this.stored();
    const outcome = await attack();
    expect(await this.stored()).toEqual(before);
    using bob = await Phone.open(this.sidecar.sip, BOB);
    expect((await bob.register()).status).toBe(200);
    expect((await bob.register({ expires: 0 })).status).toBe(200);
    return outcome;
  }

  async restart(): Promise<void> {
    await this.sidecar.stop();
    this.sidecar = await this.startSidecar();
  }

  async stop(): Promise<void> {
    this.alice.close();
    await this.sidecar.stop();
    if (this.another !== this.sidecar) await this.another.stop();
  }
}

/** Headers that no response of ours has. */
export function smuggled({ headers = {} }: SipAnswer): string[] {
  return Object.keys(headers).filter((name) => /evil/i.test(name));
}

async function sqlite(users: readonly User[], webhook?: Webhook): Promise<Contents> {
  const accounts = Map.groupBy(users, ({ realm }) => realm);
  const lines = [...accounts].flatMap(([realm, clients]) => [
    `[[account]]\nrealm = "${realm}"`,
    // A JSON string is a TOML string.
    ...clients.map(
      ({ user, password }) =>
        `[[account.client]]\nusername = ${JSON.stringify(user)}\npassword = ${JSON.stringify(password)}`,
    ),
  ]);
  if (webhook) lines.push(`[[account]]\nrealm = "${webhook.realm}"\n[account.webhook]\nurl = "${webhook.url}"`);
  const data = temporaryDirectory('attacked');
  const provision = await fileWith('accounts.toml', lines.join('\n'));
  return {
    env: { SIDECAR_DATA: data, SIDECAR_PROVISION: provision },
    read: async () => rowsOf(join(data, DATABASE_FILE)),
  };
}

function rowsOf(file: string): Record<string, unknown> {
  using database = new Database(file, { readonly: true });
  const tables = database
    .query<{ name: string }, []>("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    .all()
    .filter(({ name }) => !FLEETING_TABLES.includes(name));
  const rows = tables.map(({ name }) => [name, database.query(`SELECT * FROM ${name}`).all()]);
  const settings = database.query("SELECT * FROM settings WHERE name <> 'probe'").all();
  return { ...Object.fromEntries(rows), settings };
}

async function servers(users: readonly User[], webhook?: Webhook): Promise<Contents> {
  const [redis, mysql] = await Promise.all([startRedis(), openDatabase()]);
  for (const [realm, clients] of Map.groupBy(users, (user) => user.realm)) {
    const accountSid = await insertAccount(mysql, { realm });
    for (const { user: username, password } of clients)
      await insertClient(mysql, { accountSid, username, password, secret: NONCE_SECRET });
  }
  if (webhook) await insertAccount(mysql, { realm: webhook.realm, webhook });
  return {
    env: outsideStores(redis, mysql, NONCE_SECRET),
    read: async () => ({ ...(await keysOf(redis)), ...(await checksumsOf(mysql)) }),
  };
}

/** Each key with its value and its expiry. */
async function keysOf(redis: RedisServer): Promise<Record<string, unknown>> {
  const names = (await redis.client.keys('*')).filter((name) => !FLEETING.test(name)).sort();
  const entries = names.map(async (name) => [name, [await valueAt(redis, name), await redis.client.pexpiretime(name)]]);
  return Object.fromEntries(await Promise.all(entries));
}

async function valueAt({ client }: RedisServer, name: string): Promise<unknown> {
  const type = await client.type(name);
  switch (type) {
    case 'string':
      return client.get(name);
    case 'set':
      return (await client.smembers(name)).sort();
    case 'zset':
      return client.zrange(name, '0', '-1', 'WITHSCORES');
    case 'hash':
      return client.hgetall(name);
    default:
      throw new Error(`${name} is of the unexpected type ${type}`);
  }
}

async function checksumsOf({ pool }: Mariadb): Promise<Record<string, unknown>> {
  const [tables] = await pool.query<RowDataPacket[]>('SHOW TABLES');
  const names = tables.flatMap((row) => Object.values<string>(row)).filter((name) => !FLEETING_TABLES.includes(name));
  const [sums] = await pool.query<RowDataPacket[]>('CHECKSUM TABLE ??', [names]);
  return Object.fromEntries(sums.map(({ Table, Checksum }) => [Table, Checksum]));
}
