import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { openDatabase } from '../support/mariadb.ts';
import { headerOf, Phone, type RegisterFields } from '../support/phone.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { insertAccount, insertClient, insertSubscription } from '../support/schema.ts';
import { request } from '../support/sip-request.ts';
import { UdpPeer } from '../support/wire.ts';
import { cli, ENCRYPTION_SECRET, outsideStores, type RunningSidecar, startEmbedded } from './sidecar.ts';

// Phones and strangers have addresses of their own in 127.0.0.0/8, which is not one of the sidecars' networks here.

const REALM = 'cluster.example.com';
const LIMITED_REALM = 'limited.example.com';
const MAX_DEVICES = 4;
const PASSWORD = 'wonderland';
const MAX_WRONG_ANSWERS = 100;
const TEST_MS = 120_000;

/** The users of {@link LIMITED_REALM}. */
const LIMITED = Array.from({ length: 3 * MAX_DEVICES }, (_, i) => `device-${i}`);
/** One for each try: wrong answers are counted per minute, and a try may meet the end of one. */
const GUESSED_AT = ['guessed-0', 'guessed-1', 'guessed-2', 'guessed-3'];

let redis: RedisServer;
let sidecars: readonly [RunningSidecar, RunningSidecar, RunningSidecar];

beforeAll(async () => {
  const [store, mysql] = await Promise.all([startRedis(), openDatabase()]);
  redis = store;
  const accountSid = await insertAccount(mysql, { realm: REALM });
  const limitedSid = await insertAccount(mysql, { realm: LIMITED_REALM, deviceToCallRatio: 1 });
  await insertSubscription(mysql, { accountSid: limitedSid, voiceCallSessions: MAX_DEVICES });
  await insertSubscription(mysql, { accountSid, voiceCallSessions: 1000 });
  const add = (sid: string, username: string) =>
    insertClient(mysql, { accountSid: sid, username, password: PASSWORD, secret: ENCRYPTION_SECRET });
  for (const user of ['alice', 'bob', 'carol', ...GUESSED_AT]) await add(accountSid, user);
  for (const user of LIMITED) await add(limitedSid, user);
  const env = {
    ...outsideStores(redis, mysql),
    JAMBONES_LOGLEVEL: 'warn',
    JAMBONES_HOSTING: '1',
    JAMBONES_NETWORK_CIDR: '10.0.0.0/8',
  };
  sidecars = await Promise.all([startEmbedded({ env }), startEmbedded({ env }), startEmbedded({ env })]);
}, TEST_MS);

afterAll(async () => {
  await Promise.all(sidecars.map((sidecar) => sidecar.stop()));
});

interface PhoneOptions {
  readonly realm?: string;
  readonly password?: string;
  readonly address?: string;
}

function open(sidecar: RunningSidecar, user: string, options: PhoneOptions = {}): Promise<Phone> {
  const { realm = REALM, password = PASSWORD, address = '127.0.0.1' } = options;
  return Phone.open(sidecar.sip, { user, password, realm }, 'udp', { address });
}

async function registerFrom(sidecar: RunningSidecar, address: string, user: string, password = PASSWORD) {
  using phone = await open(sidecar, user, { address, password });
  return (await phone.register()).status;
}

/** The Contacts of a user, as each sidecar lists them. */
function listed(user: string): Promise<(string | undefined)[]> {
  return Promise.all(
    sidecars.map(async (sidecar) => {
      using phone = await open(sidecar, user);
      const answer = await phone.register({ contact: null });
      expect(answer.status).toBe(200);
      return headerOf(answer, 'Contact')?.replace(/;expires=\d+/, '');
    }),
  );
}

describe('three sidecars on one Redis', () => {
  test('accept a nonce of another, and each nonce-count once', async () => {
    const [first, second, third] = await Promise.all(sidecars.map((sidecar) => open(sidecar, 'alice')));
    if (!first || !second || !third) throw new Error('no phones');
    const phones = [first, second, third];
    const challenged = await first.send();
    const authorization = first.answer(challenged);
    expect((await second.send({ authorization })).status).toBe(200);
    for (const phone of phones) {
      const replayed = await phone.send({ authorization, contact: '<sip:alice@127.0.0.66:5060>' });
      expect(replayed.status).toBe(401);
      expect(headerOf(replayed, 'WWW-Authenticate')).toEndWith(', stale=true');
    }
    expect(await listed('alice')).toEqual(Array(3).fill(`<${second.contact}>`));

    const next = first.answer(challenged);
    const answers = await Promise.all(phones.map((phone) => phone.send({ authorization: next })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401]);
    const winner = phones[answers.findIndex(({ status }) => status === 200)];
    expect(await listed('alice')).toEqual(Array(3).fill(`<${winner?.contact}>`));
    for (const phone of phones) phone.close();
  });

  test('show each the bindings that another saved or removed', async () => {
    const [first, second, third] = sidecars;
    using phone = await open(first, 'bob');
    expect((await phone.register()).status).toBe(200);
    expect(await listed('bob')).toEqual(Array(3).fill(`<${phone.contact}>`));
    using moved = await open(second, 'bob');
    expect((await moved.register()).status).toBe(200);
    expect(await listed('bob')).toEqual(Array(3).fill(`<${moved.contact}>`));
    using remover = await open(third, 'bob');
    expect((await remover.register({ contact: '*', expires: 0 })).status).toBe(200);
    expect(await listed('bob')).toEqual([undefined, undefined, undefined]);
  });

  test('count the devices of an account once', async () => {
    const openAt = (i: number, user: string) => open(at(i), user, { realm: LIMITED_REALM });
    const phones = await Promise.all(LIMITED.map((user, i) => openAt(i, user)));
    const answers = await Promise.all(phones.map((phone) => phone.register()));
    const admitted = LIMITED.filter((_, i) => answers[i]?.status === 200);
    const refused = LIMITED.filter((_, i) => answers[i]?.status === 503);
    expect([admitted.length, refused.length]).toEqual([MAX_DEVICES, LIMITED.length - MAX_DEVICES]);

    const [leaves = ''] = admitted;
    const [waits = '', another = ''] = refused;
    const register = async (i: number, user: string, fields: RegisterFields = {}) => {
      using phone = await openAt(i, user);
      return (await phone.register(fields)).status;
    };
    expect(await register(0, waits)).toBe(503);
    expect(await register(1, leaves, { contact: '*', expires: 0 })).toBe(200);
    expect(await register(2, waits)).toBe(200);
    expect(await register(0, another)).toBe(503);
    for (const phone of phones) phone.close();
  });

  test(
    'count the wrong answers for an AOR once',
    async () => {
      let strangers = 0;
      /** Each has an address of its own, which no other request had. */
      const stranger = () => `127.1.${Math.floor(++strangers / 250)}.${(strangers % 250) + 1}`;
      const guess = (user: string, times: number) =>
        Promise.all(Array.from({ length: times }, (_, i) => registerFrom(at(i), stranger(), user, 'guess-of-it')));
      const everywhere = (user: string) =>
        Promise.all(sidecars.map((sidecar) => registerFrom(sidecar, stranger(), user)));

      const users = GUESSED_AT.values();
      await eventually(
        'a try within one minute',
        async () => {
          const user = users.next().value;
          if (user === undefined) throw new Error('each try has met the end of a minute');
          const minute = Math.floor(Date.now() / 60_000);
          const key = `sidecar:default:wrong-answers:${minute}`;
          await guess(user, MAX_WRONG_ANSWERS - 4);
          await exchanged();
          const count = await redis.client.zscore(key, `${user}@${REALM}`);
          const before = await everywhere(user);
          const home = '127.0.0.77';
          await registerFrom(sidecars[0], home, user);
          await guess(user, 6);
          await exchanged();
          const after = await everywhere(user);
          // It holds a binding of the AOR, which another sidecar has saved.
          const owner = await registerFrom(sidecars[1], home, user);
          if (Math.floor(Date.now() / 60_000) !== minute) return undefined;
          expect(count).toBe(String(MAX_WRONG_ANSWERS - 4));
          expect(before).toEqual([200, 200, 200]);
          expect(after).toEqual([403, 403, 403]);
          expect(owner).toBe(200);
          return true;
        },
        { deadlineMs: TEST_MS },
      );
      expect(await registerFrom(sidecars[2], stranger(), 'carol')).toBe(200);
    },
    TEST_MS,
  );

  test('ban a source everywhere, until the ban is lifted at one of them', async () => {
    const intruder = await banned(sidecars[1]);
    for (const sidecar of sidecars)
      await eventually('the ban', async () => (await bansAt(sidecar)).includes(intruder) || undefined);
    expect((await cli(sidecars[2], 'ban', 'clear', intruder)).stdout).toBe(`✓ 1 ban lifted: ${intruder}`);
    for (const sidecar of sidecars) {
      await eventually('no ban', async () => !(await bansAt(sidecar)).includes(intruder) || undefined);
      expect(await registerFrom(sidecar, intruder, 'carol')).toBe(200);
    }
  });
});

function at(i: number): RunningSidecar {
  return sidecars[i % 3] ?? sidecars[0];
}

async function bansAt(sidecar: RunningSidecar): Promise<string[]> {
  const { stdout } = await cli(sidecar, 'ban', 'list', '--json');
  const { bans } = JSON.parse(stdout) as { bans: { source: string }[] };
  return bans.map(({ source }) => source);
}

let intruders = 0;

/** Has a sidecar ban a source, by a scanner's request. @returns its address */
async function banned(sidecar: RunningSidecar): Promise<string> {
  const address = `127.0.66.${++intruders}`;
  using peer = await UdpPeer.open(sidecar.sip.port, sidecar.sip.host, address);
  peer.send(request('OPTIONS', `UDP ${address}:${peer.port}`, { extra: 'User-Agent: friendly-scanner\r\n' }));
  await eventually('the ban', async () => (await bansAt(sidecar)).includes(address) || undefined);
  return address;
}

/** Resolves when every sidecar has learned what each of them has seen so far: with a ban comes what was before it. */
async function exchanged(): Promise<void> {
  const bans = await Promise.all(sidecars.map(banned));
  for (const sidecar of sidecars)
    await eventually('all bans', async () => {
      const known = new Set(await bansAt(sidecar));
      return bans.every((ban) => known.has(ban)) || undefined;
    });
}
