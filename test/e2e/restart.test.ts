import { describe, expect, test } from 'bun:test';
import { temporaryDirectory } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { openDatabase } from '../support/mariadb.ts';
import { freePort } from '../support/net.ts';
import { headerOf, Phone } from '../support/phone.ts';
import { startRedis } from '../support/redis.ts';
import { insertAccount, insertClient } from '../support/schema.ts';
import { fileWith, outsideStores, startEmbedded } from './sidecar.ts';

const PHONES = 60;
const RESTARTS = 3;
const REALM = 'restart.example.com';
const SECRET = 'restart-secret';
const users = Array.from({ length: PHONES }, (_, i) => ({
  user: `user${i}`,
  password: `restart-word-${i}`,
  realm: REALM,
}));

/** A phone that moves from one Contact to the next, each registered with credentials. */
class Mover {
  /** Status codes of all its answers. */
  readonly statuses: number[] = [];
  /** The Contact of the last 200. */
  bound = '';
  registered = 0;
  #moving = true;

  constructor(private readonly phone: Phone) {}

  async run(): Promise<void> {
    while (this.#moving) {
      const contact = `${this.phone.contact};move=${this.registered}`;
      const first = await this.phone.send({ contact: `<${contact}>` });
      this.statuses.push(first.status);
      if (first.status !== 401) return;
      const second = await this.phone.send({ contact: `<${contact}>`, authorization: this.phone.answer(first) });
      this.statuses.push(second.status);
      if (second.status !== 200) return;
      this.bound = contact;
      this.registered++;
    }
  }

  stop(): void {
    this.#moving = false;
  }

  /** What the store holds, by a query (RFC 3261 10.2.3). */
  async stored(): Promise<string | undefined> {
    return headerOf(await this.phone.register({ contact: null }), 'Contact');
  }
}

async function eachHasRegistered(movers: readonly Mover[]): Promise<void> {
  const before = movers.map((mover) => mover.registered);
  const haveAll = () => movers.every((mover, i) => mover.registered > (before[i] ?? 0) + 1);
  const haveEnded = () => movers.some((mover) => mover.statuses.some((status) => status !== 200 && status !== 401));
  await eventually('two registrations of each phone', () => haveAll() || haveEnded() || undefined);
}

const STORES: Readonly<Record<string, () => Promise<Record<string, string>>>> = {
  async SQLite() {
    const clients = users.map(
      ({ user, password }) => `[[account.client]]\nusername = "${user}"\npassword = "${password}"\n`,
    );
    const provision = await fileWith('accounts.toml', `[[account]]\nrealm = "${REALM}"\n${clients.join('')}`);
    return { SIDECAR_DATA: temporaryDirectory('restart'), SIDECAR_PROVISION: provision };
  },
  async 'Redis and MySQL'() {
    const [redis, mysql] = await Promise.all([startRedis(), openDatabase()]);
    const accountSid = await insertAccount(mysql, { realm: REALM });
    for (const { user: username, password } of users)
      await insertClient(mysql, { accountSid, username, password, secret: SECRET });
    return outsideStores(redis, mysql, SECRET);
  },
};

describe('restarts while phones register', () => {
  test.each(Object.entries(STORES))(
    'with %s: each is answered, and what is acknowledged is kept',
    async (_, stores) => {
      const env = await stores();
      const port = await freePort();
      const start = () => startEmbedded({ args: ['--sip', `udp/127.0.0.1:${port}`], env });
      let sidecar = await start();
      const movers = await Promise.all(
        users.map(
          async (user) => new Mover(await Phone.open({ host: '127.0.0.1', port }, user, 'udp', { retransmits: true })),
        ),
      );
      const running = movers.map((mover) => mover.run());
      for (let restart = 0; restart < RESTARTS; restart++) {
        await eachHasRegistered(movers);
        expect(await sidecar.stop()).toBe(0);
        sidecar = await start();
      }
      await eachHasRegistered(movers);
      for (const mover of movers) mover.stop();
      await Promise.all(running);
      expect(new Set(movers.flatMap((mover) => mover.statuses))).toEqual(new Set([401, 200]));
      for (const mover of movers) expect(await mover.stored()).toContain(`<${mover.bound}>`);
      expect(await sidecar.stop()).toBe(0);
    },
  );
});
