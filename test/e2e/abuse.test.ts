import { describe, expect, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { openDatabase } from '../support/mariadb.ts';
import { Phone } from '../support/phone.ts';
import { startRedis } from '../support/redis.ts';
import { insertAccount, insertClient } from '../support/schema.ts';
import { cli, ENCRYPTION_SECRET, fileWith, outsideStores, type RunningSidecar, startEmbedded } from './sidecar.ts';

// Phones and intruders have addresses of their own in 127.0.0.0/8, which is not one of the sidecar's networks here.

const REALM = 'attacked.example.com';
const PASSWORD = 'wonderland';
const INTRUDER = '127.0.0.66';
const ENV = { JAMBONES_LOGLEVEL: 'warn', JAMBONES_NETWORK_CIDR: '10.0.0.0/8' };
/** Wrong passwords from one address that are enough for a ban, with some to spare. */
const GUESSES = 60;
/** Sources that guess side by side: more guesses than an AOR takes in a minute. */
const AT_A_TIME = 200;
const DEADLINE_MS = 60_000;

const USERS = ['alice', 'bob'];

async function accounts(): Promise<string> {
  const clients = USERS.map((user) => `[[account.client]]\nusername = "${user}"\npassword = "${PASSWORD}"\n`);
  return fileWith('accounts.toml', `[[account]]\nrealm = "${REALM}"\n${clients.join('')}`);
}

async function startAlone(): Promise<RunningSidecar> {
  return startEmbedded({ args: ['--provision', await accounts()], env: ENV });
}

function open({ sip }: RunningSidecar, address: string, user = 'alice', password = PASSWORD): Promise<Phone> {
  return Phone.open(sip, { user, password, realm: REALM }, 'udp', { address });
}

async function registerFrom(sidecar: RunningSidecar, address: string, user?: string, password?: string) {
  using phone = await open(sidecar, address, user, password);
  return (await phone.register()).status;
}

async function bansAt(sidecar: RunningSidecar): Promise<string[]> {
  const { stdout } = await cli(sidecar, 'ban', 'list', '--json');
  const { bans } = JSON.parse(stdout) as { bans: { source: string }[] };
  return bans.map(({ source }) => source);
}

/** Guesses until the address is banned, after which it gets no response. */
async function guessUntilBanned(sidecar: RunningSidecar, address = INTRUDER): Promise<void> {
  const phones = await Promise.all(
    Array.from({ length: GUESSES }, () => open(sidecar, address, 'alice', 'guess-of-it')),
  );
  // The last ones get no response.
  for (const phone of phones) phone.register().catch(() => {});
  await eventually('the ban', async () => (await bansAt(sidecar)).includes(address) || undefined);
  for (const phone of phones) phone.close();
}

describe('a source that guesses passwords', () => {
  test(
    'is banned, a phone at another address registers, and the operator lifts the ban',
    async () => {
      const sidecar = await startAlone();
      await guessUntilBanned(sidecar);
      expect(await registerFrom(sidecar, '127.0.0.1')).toBe(200);
      const { stdout } = await cli(sidecar, 'status', '--json');
      expect(JSON.parse(stdout)).toMatchObject({ bans: 1 });
      expect((await cli(sidecar, 'ban', 'list')).stdout).toMatch(
        /^Bans:\n.*\n {2}127\.0\.0\.66 +20\S+Z +[45] (min|s)$/,
      );
      expect(await cli(sidecar, 'ban', 'clear', '127.0.0.67')).toMatchObject({
        code: 0,
        stdout: '✓ 127.0.0.67 is not banned',
      });
      expect(await cli(sidecar, 'ban', 'clear', INTRUDER)).toMatchObject({
        code: 0,
        stdout: `✓ 1 ban lifted: ${INTRUDER}`,
      });
      expect(await registerFrom(sidecar, INTRUDER)).toBe(200);
      expect((await cli(sidecar, 'ban', 'list')).stdout).toBe('No bans');
      await sidecar.stop();
    },
    DEADLINE_MS,
  );

  test(
    'is banned at each sidecar of a cluster, and in the Redis set for drachtio',
    async () => {
      const [redis, mysql] = await Promise.all([startRedis(), openDatabase()]);
      const accountSid = await insertAccount(mysql, { realm: REALM });
      for (const username of USERS)
        await insertClient(mysql, { accountSid, username, password: PASSWORD, secret: ENCRYPTION_SECRET });
      const env = { ...outsideStores(redis, mysql), ...ENV, JAMBONES_BAN_REDIS_KEY: 'apiban:ips' };
      await redis.client.sadd('apiban:ips', '192.0.2.99');
      const [one, two] = await Promise.all([startEmbedded({ env }), startEmbedded({ env })]);
      const listed = async () => (await redis.client.smembers('apiban:ips')).sort();

      await guessUntilBanned(one);
      await eventually('the ban there', async () => (await bansAt(two)).includes(INTRUDER) || undefined);
      expect(await listed()).toEqual([INTRUDER, '192.0.2.99']);
      expect(await registerFrom(two, '127.0.0.1', 'bob')).toBe(200);
      expect((await cli(two, 'ban', 'clear')).stdout).toBe(`✓ 1 ban lifted: ${INTRUDER}`);
      expect(await listed()).toEqual(['192.0.2.99']);
      await eventually('no ban', async () => (await bansAt(one)).length === 0 || undefined);
      expect(await registerFrom(one, INTRUDER, 'bob')).toBe(200);
      await Promise.all([one.stop(), two.stop()]);
    },
    DEADLINE_MS,
  );
});

test(
  'an AOR that a thousand sources guess at is closed to strangers, and not to its phone behind one of them',
  async () => {
    const sidecar = await startAlone();
    const sources = Array.from({ length: 1000 }, (_, i) => `127.0.${1 + Math.floor(i / 250)}.${1 + (i % 250)}`);
    const [home = ''] = sources;
    using phone = await open(sidecar, home);
    expect((await phone.register()).status).toBe(200);
    let guesses = 0;
    const guess = async (source: string) => {
      expect(await registerFrom(sidecar, source, 'alice', 'guess-of-it')).toBe(403);
      guesses++;
    };
    /** Whether a stranger with the right password is refused. */
    let isClosed = false;
    for (let i = 0; i < sources.length; i += AT_A_TIME) {
      await Promise.all(sources.slice(i, i + AT_A_TIME).map(guess));
      isClosed ||= (await registerFrom(sidecar, `127.0.9.${1 + i / AT_A_TIME}`)) === 403;
      expect((await phone.register({ contact: `<${phone.contact};guesses=${guesses}>` })).status).toBe(200);
    }
    expect({ guesses, isClosed }).toEqual({ guesses: 1000, isClosed: true });
    expect(await registerFrom(sidecar, home, 'bob')).toBe(200);
    expect(await bansAt(sidecar)).toEqual([]);
    await sidecar.stop();
  },
  DEADLINE_MS,
);
