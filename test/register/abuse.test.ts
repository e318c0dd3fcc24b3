import { describe, expect, test } from 'bun:test';
import { openCore } from '../support/core.ts';
import { Phone, pipeline } from '../support/phone.ts';
import { ManualTimers, settle } from '../support/timers.ts';

const STRANGER = { address: '198.51.100.7', port: 5060 };

function open(changes: Parameters<typeof openCore>[0] = {}) {
  const core = openCore(changes);
  const phone = (user: string, password: string, source = STRANGER, realm = 'sip.example.com') =>
    new Phone(pipeline(core.rules, source), user, password, realm);
  return { ...core, phone, abuse: core.rules.abuse };
}

/** Sends answers with a new nonce each. */
async function guess(phone: Phone, times: number): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < times; i++) statuses.push((await phone.register()).status);
  return statuses;
}

describe('what counts against a source', () => {
  test.each([
    ['a wrong password', (w: ReturnType<typeof open>) => w.phone('alice', 'guess'), 50],
    ['an unknown user', (w: ReturnType<typeof open>) => w.phone('stranger', 'guess'), 125],
    ['an inactive user', (w: ReturnType<typeof open>) => w.phone('gone', 'guess'), 50],
    ['an unknown realm', (w: ReturnType<typeof open>) => w.phone('alice', 'x', STRANGER, 'nowhere.example.net'), 125],
  ])('%s', async (_, intruder, times) => {
    const world = open();
    const phone = intruder(world);
    for (let i = 0; i < times; i++) {
      expect(world.abuse.isBanned(STRANGER.address)).toBe(false);
      expect((await phone.register()).status).toBe(403);
    }
    expect(world.abuse.isBanned(STRANGER.address)).toBe(true);
  });

  test('a malformed request', async () => {
    const { phone, abuse } = open();
    for (let i = 0; i < 250; i++) {
      expect(abuse.isBanned(STRANGER.address)).toBe(false);
      expect((await phone('alice', 'x').send({ contact: '<no uri>' })).status).toBe(400);
    }
    expect(abuse.isBanned(STRANGER.address)).toBe(true);
  });

  test('a wrong answer to an expired nonce, which is challenged again', async () => {
    const { phone, abuse, clock } = open();
    const intruder = phone('alice', 'guess');
    const authorization = intruder.answer(await intruder.send());
    clock.advance(300_001);
    for (let i = 0; i < 50; i++) {
      expect(abuse.isBanned(STRANGER.address)).toBe(false);
      expect((await intruder.send({ authorization })).status).toBe(401);
    }
    expect(abuse.isBanned(STRANGER.address)).toBe(true);
  });

  test('not a challenge, nor a phone whose nonce has expired', async () => {
    const { phone, abuse, clock } = open();
    const alice = phone('alice', 'wonderland');
    for (let i = 0; i < 300; i++) expect((await alice.send()).status).toBe(401);
    const authorization = alice.answer(await alice.send());
    clock.advance(300_001);
    for (let i = 0; i < 300; i++) expect((await alice.send({ authorization })).status).toBe(401);
    expect(abuse.isBanned(STRANGER.address)).toBe(false);
  });

  test('is forgiven when anyone there registers', async () => {
    const { phone, abuse } = open();
    await guess(phone('bob', 'guess'), 40);
    expect((await phone('alice', 'wonderland').register()).status).toBe(200);
    await guess(phone('bob', 'guess'), 40);
    expect(abuse.isBanned(STRANGER.address)).toBe(false);
  });
});

describe('an AOR that is guessed at', () => {
  async function attacked() {
    const world = open();
    for (let i = 0; i < 100; i++)
      await world.phone('alice', 'guess', { address: `203.0.113.${i}`, port: 5060 }).register();
    return world;
  }

  test('is closed to others, the right password included, with the response of a wrong one', async () => {
    const { phone } = await attacked();
    const { status, headers } = await phone('alice', 'wonderland').register();
    expect({ status, headers }).toEqual({ status: 403, headers: { 'X-Reason': 'Invalid credentials' } });
    expect((await phone('bob', 'builder').register()).status).toBe(200);
  });

  test('is open again in the next minute', async () => {
    const { phone, clock } = await attacked();
    clock.advance(60_000);
    expect((await phone('alice', 'wonderland').register()).status).toBe(200);
  });

  test('stays open to the source that has registered it', async () => {
    const world = open();
    const home = { address: '192.0.2.7', port: 5060 };
    expect((await world.phone('alice', 'wonderland', home).register()).status).toBe(200);
    for (let i = 0; i < 100; i++)
      await world.phone('alice', 'guess', { address: `203.0.113.${i}`, port: 5060 }).register();
    expect((await world.phone('alice', 'wonderland', { ...home, port: 5070 }).register()).status).toBe(200);
    expect((await world.phone('alice', 'wonderland').register()).status).toBe(403);
  });

  test('stays open to the source of a binding, whichever sidecar has registered it', async () => {
    const world = open();
    const home = { address: '192.0.2.7', port: 5060 };
    await world.phone('alice', 'wonderland', home).register();
    const other = open({ location: world.rules.location, nonces: world.rules.nonces });
    for (let i = 0; i < 100; i++)
      await other.phone('alice', 'guess', { address: `203.0.113.${i}`, port: 5060 }).register();
    expect((await other.phone('alice', 'wonderland', { ...home, port: 5070 }).register()).status).toBe(200);
  });
});

test('a nonce is good for three wrong answers, and then for no right one', async () => {
  const { phone } = open();
  const intruder = phone('alice', 'guess');
  const challenged = await intruder.send();
  for (let i = 0; i < 3; i++)
    expect((await intruder.send({ authorization: intruder.answer(challenged) })).status).toBe(403);
  expect((await intruder.send({ authorization: intruder.answer(challenged) })).status).toBe(401);
  const alice = phone('alice', 'wonderland');
  expect((await alice.send({ authorization: alice.answer(challenged, { nc: '00000009' }) })).status).toBe(401);
});

test('a replay is refused although the store has lost its data', async () => {
  const { phone, database, clock } = open();
  const alice = phone('alice', 'wonderland');
  const authorization = alice.answer(await alice.send());
  expect((await alice.send({ authorization })).status).toBe(200);
  clock.advance(1000);
  for (const table of ['nonces', 'bindings', 'aors', 'realms']) database.run(`DELETE FROM ${table}`);
  expect((await alice.send({ authorization })).status).toBe(401);
  expect((await alice.register()).status).toBe(200);
});

describe('the time of a refusal', () => {
  test.each([
    ['a wrong password', 'alice'],
    ['an unknown user', 'stranger'],
    ['an inactive user', 'gone'],
  ])('of %s is 100 ms after its arrival, however long the look-up took', async (_, user) => {
    const timers = new ManualTimers();
    const { phone } = open({ timers });
    const intruder = phone(user, 'guess');
    const authorization = intruder.answer(await intruder.send());
    let answered = false;
    const answer = intruder.send({ authorization }).then(() => {
      answered = true;
    });
    await settle();
    await timers.advanceAsync(99);
    expect(answered).toBe(false);
    await timers.advanceAsync(1);
    await answer;
  });
});
