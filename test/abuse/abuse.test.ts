import { Database } from 'bun:sqlite';
import { describe, expect, test } from 'bun:test';
import { Abuse, type Offence } from '../../src/abuse/index.ts';
import { SqliteAbuseStore } from '../../src/adapters/sqlite/abuse-store.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { QueryFault, Unavailable } from '../../src/ports/errors.ts';
import type { SidecarEvent } from '../../src/ports/events.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers } from '../support/timers.ts';

const POLICY = { banThreshold: 250, banSeconds: 300, banSet: '' };
const STRANGER = '198.51.100.7';
const AOR = 'alice@example.com';

/** Sidecars of one cluster. */
function cluster() {
  const database = new Database(':memory:', { strict: true });
  database.run(SCHEMA);
  const timers = new ManualTimers();
  const store = new SqliteAbuseStore(database, POLICY, timers);
  const broken = { down: false, refuses: false };
  return {
    timers,
    broken,
    sidecar() {
      const logger = new RecordingLogger();
      const events: SidecarEvent[] = [];
      const abuse = new Abuse({
        events: { emit: (event) => events.push(event) },
        store: {
          exchange: async (report) => {
            if (broken.down) throw new Unavailable('SQLite', 'gone');
            if (broken.refuses) throw new QueryFault('SQLite', 'no such table', 'SQLITE_ERROR');
            return store.exchange(report);
          },
          clear: (source) => store.clear(source),
        },
        policy: POLICY,
        exempt: (address) => address.startsWith('10.') || address === '2001:db8:9::5',
        timers,
        logger,
      });
      abuse.start();
      return { abuse, events, logger };
    },
  };
}

function offend(abuse: Abuse, times: number, offence: Offence = 'wrong password', address = STRANGER) {
  for (let i = 0; i < times; i++) abuse.record(address, offence);
}

const nonce = (id: string) => ({ id, expiresAt: Date.UTC(2027, 0, 1) });

describe('a source', () => {
  test.each([
    ['wrong password', 50],
    ['webhook denial', 50],
    ['unknown user', 125],
    ['unknown realm', 125],
    ['answer for a closed AOR', 125],
    ['malformed request', 250],
    ['scanner', 1],
  ] as const)('is banned at once by %s, %i times', (offence, times) => {
    const { abuse, logger } = cluster().sidecar();
    offend(abuse, times - 1, offence);
    expect(abuse.isBanned(STRANGER)).toBe(false);
    offend(abuse, 1, offence);
    expect(abuse.isBanned(STRANGER)).toBe(true);
    expect(abuse.isBanned('198.51.100.8')).toBe(false);
    expect(logger.lines).toEqual([
      { level: 'warn', fields: { source: STRANGER, seconds: 300, why: offence }, message: 'source banned' },
    ]);
  });

  test('is banned at once by a User-Agent of a scanner, and told so', () => {
    const { abuse } = cluster().sidecar();
    const banned: string[] = [];
    abuse.onBanned((network) => banned.push(network));
    const from = (userAgent: string) => [{ name: 'User-Agent', value: userAgent }];
    expect(abuse.admits(STRANGER, [])).toBe(true);
    expect(abuse.admits(STRANGER, from('Zoiper'))).toBe(true);
    expect(abuse.admits(STRANGER, from('friendly-scanner'))).toBe(false);
    expect(abuse.admits(STRANGER, from('Zoiper'))).toBe(false);
    expect(banned).toEqual([STRANGER]);
    expect(abuse.admits('10.1.2.3', from('friendly-scanner'))).toBe(true);
  });

  test('that is exempt is never banned', () => {
    const { abuse } = cluster().sidecar();
    offend(abuse, 1000, 'scanner', '10.1.2.3');
    expect(abuse.isBanned('10.1.2.3')).toBe(false);
  });

  test('that is exempt is served although its /64 is banned', () => {
    const { abuse } = cluster().sidecar();
    offend(abuse, 1, 'scanner', '2001:db8:9::6');
    expect(abuse.isBanned('2001:db8:9::7')).toBe(true);
    expect(abuse.isBanned('2001:db8:9::5')).toBe(false);
  });

  test('is the /64 of an IPv6 address', () => {
    const { abuse } = cluster().sidecar();
    for (let i = 0; i < 50; i++) abuse.record(`2001:db8:1:2::${i.toString(16)}`, 'wrong password');
    expect(abuse.isBanned('2001:db8:1:2:ffff::1')).toBe(true);
    expect(abuse.isBanned('2001:db8:1:3::1')).toBe(false);
  });

  test('is forgiven by a success', () => {
    const { abuse } = cluster().sidecar();
    offend(abuse, 49);
    abuse.succeeded(AOR, STRANGER);
    offend(abuse, 49);
    expect(abuse.isBanned(STRANGER)).toBe(false);
  });

  test('stays banned after an exchange, by which its score has decayed', async () => {
    const { timers, sidecar } = cluster();
    const { abuse } = sidecar();
    await timers.advanceAsync(0);
    for (let i = 0; !abuse.isBanned(STRANGER); i++) {
      expect(i).toBeLessThan(100);
      await timers.advanceAsync(170);
      offend(abuse, 1);
    }
    await timers.advanceAsync(5_000);
    expect(abuse.isBanned(STRANGER)).toBe(true);
    expect(abuse.bans()).toHaveLength(1);
  });

  test('is forgotten slowly', () => {
    const { timers, sidecar } = cluster();
    const { abuse } = sidecar();
    offend(abuse, 49);
    timers.advance(30_000);
    offend(abuse, 25);
    expect(abuse.isBanned(STRANGER)).toBe(false);
    offend(abuse, 1);
    expect(abuse.isBanned(STRANGER)).toBe(true);
  });

  test('is served again when its ban ends', async () => {
    const { timers, sidecar } = cluster();
    const { abuse } = sidecar();
    offend(abuse, 50);
    await timers.advanceAsync(299_999);
    expect(abuse.isBanned(STRANGER)).toBe(true);
    await timers.advanceAsync(1);
    expect(abuse.isBanned(STRANGER)).toBe(false);
    expect(abuse.bans()).toEqual([]);
  });
});

describe('bans of forged sources', () => {
  const forge = (abuse: Abuse, count: number) => {
    for (let i = 0; i < count; i++) abuse.record(`198.18.${i >> 8}.${i & 255}`, 'scanner');
  };

  test('are at most 10 000; the first is lifted', () => {
    const { abuse } = cluster().sidecar();
    forge(abuse, 10_001);
    expect(abuse.bans()).toHaveLength(10_000);
    expect(abuse.isBanned('198.18.0.0')).toBe(false);
    expect(abuse.isBanned('198.18.39.16')).toBe(true);
  });

  test('are at most 20 log lines between two exchanges, and one for the others', async () => {
    const { timers, sidecar } = cluster();
    const { abuse, logger } = sidecar();
    await timers.advanceAsync(0);
    forge(abuse, 25);
    await timers.advanceAsync(1_000);
    const warnings = logger.lines.filter(({ level }) => level === 'warn');
    expect(warnings.filter(({ message }) => message === 'source banned')).toHaveLength(20);
    expect(warnings.at(-1)).toEqual({ level: 'warn', fields: { further: 5 }, message: 'more sources banned' });
    await timers.advanceAsync(1_000);
    expect(logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(21);
  });
});

describe('a cluster', () => {
  test('adds up what its sidecars see, and bans together', async () => {
    const { timers, sidecar } = cluster();
    const [one, two] = [sidecar(), sidecar()];
    offend(one.abuse, 25);
    await timers.advanceAsync(2_000);
    offend(two.abuse, 27);
    expect(two.abuse.isBanned(STRANGER)).toBe(true);
    await timers.advanceAsync(2_000);
    expect(one.abuse.isBanned(STRANGER)).toBe(true);
    expect(one.logger.lines).toMatchObject([{ message: 'source banned' }]);
  });

  test('forgives together', async () => {
    const { timers, sidecar } = cluster();
    const [one, two] = [sidecar(), sidecar()];
    offend(one.abuse, 40);
    await timers.advanceAsync(2_000);
    two.abuse.succeeded(AOR, STRANGER);
    await timers.advanceAsync(2_000);
    offend(two.abuse, 49);
    expect(two.abuse.isBanned(STRANGER)).toBe(false);
  });

  test('lifts bans everywhere', async () => {
    const { timers, sidecar } = cluster();
    const [one, two] = [sidecar(), sidecar()];
    offend(one.abuse, 50);
    offend(one.abuse, 50, 'wrong password', '2001:db8::1');
    await timers.advanceAsync(2_000);
    expect(await two.abuse.clear('2001:db8::2')).toEqual(['2001:db8::/64']);
    await timers.advanceAsync(2_000);
    expect(one.abuse.bans().map(({ source }) => source)).toEqual([STRANGER]);
    expect(await one.abuse.clear()).toEqual([STRANGER]);
    expect(one.abuse.isBanned(STRANGER)).toBe(false);
    await timers.advanceAsync(2_000);
    expect(two.abuse.bans()).toEqual([]);
    offend(one.abuse, 49);
    expect(one.abuse.isBanned(STRANGER)).toBe(false);
  });

  test('reports each ban, and the end of those that it lifts', async () => {
    const { timers, sidecar } = cluster();
    const [one, two] = [sidecar(), sidecar()];
    const until = timers.now() + 300_000;
    offend(one.abuse, 60);
    await timers.advanceAsync(2_000);
    expect(one.events).toEqual([{ type: 'banned', source: STRANGER, until }]);
    expect(two.events).toMatchObject([{ type: 'banned', source: STRANGER }]);
    await two.abuse.clear(STRANGER);
    expect(two.events.at(-1)).toEqual({ type: 'unbanned', source: STRANGER });
  });

  test('goes on by itself while the store is away, and reports later', async () => {
    const { timers, broken, sidecar } = cluster();
    const [one, two] = [sidecar(), sidecar()];
    await timers.advanceAsync(1_000);
    broken.down = true;
    offend(one.abuse, 50);
    await timers.advanceAsync(10_000);
    expect(one.abuse.isBanned(STRANGER)).toBe(true);
    expect(two.abuse.isBanned(STRANGER)).toBe(false);
    broken.down = false;
    await timers.advanceAsync(2_000);
    expect(two.abuse.isBanned(STRANGER)).toBe(true);
  });

  test('drops a report that the store refuses, so that nothing counts twice', async () => {
    const { timers, broken, sidecar } = cluster();
    const [one, two] = [sidecar(), sidecar()];
    broken.refuses = true;
    offend(one.abuse, 25);
    await timers.advanceAsync(10_000);
    broken.refuses = false;
    await timers.advanceAsync(2_000);
    offend(two.abuse, 49);
    expect(two.abuse.isBanned(STRANGER)).toBe(false);
  });

  test('stops although the store is away', async () => {
    const { timers, broken, sidecar } = cluster();
    const { abuse } = sidecar();
    await timers.advanceAsync(0);
    broken.down = true;
    offend(abuse, 50);
    await abuse.stop();
  });

  test('a sidecar that stops has reported everything, and one that starts knows the bans', async () => {
    const { timers, sidecar } = cluster();
    const one = sidecar();
    await timers.advanceAsync(0);
    offend(one.abuse, 50);
    await one.abuse.stop();
    const two = sidecar();
    await timers.advanceAsync(0);
    expect(two.abuse.isBanned(STRANGER)).toBe(true);
  });
});

describe('an AOR that is guessed at', () => {
  const attack = (abuse: Abuse, times: number) => {
    for (let i = 0; i < times; i++) abuse.wrongAnswer(AOR, nonce(crypto.randomUUID()));
  };

  test('is closed to strangers after 100 wrong answers, until the next minute', () => {
    const { timers, sidecar } = cluster();
    const { abuse } = sidecar();
    attack(abuse, 99);
    expect(abuse.mayAnswer(AOR, STRANGER)).toBe(true);
    attack(abuse, 1);
    expect(abuse.mayAnswer(AOR, STRANGER)).toBe(false);
    expect(abuse.mayAnswer('bob@example.com', STRANGER)).toBe(true);
    timers.advance(60_000);
    expect(abuse.mayAnswer(AOR, STRANGER)).toBe(true);
  });

  test('stays open to a source that has registered it within a day', () => {
    const { timers, sidecar } = cluster();
    const { abuse } = sidecar();
    abuse.succeeded(AOR, '192.0.2.7');
    timers.advance(86_399_999);
    attack(abuse, 100);
    expect(abuse.mayAnswer(AOR, '192.0.2.7')).toBe(true);
    expect(abuse.mayAnswer(AOR, STRANGER)).toBe(false);
    timers.advance(1);
    attack(abuse, 100);
    expect(abuse.mayAnswer(AOR, '192.0.2.7')).toBe(false);
  });

  test('is closed at every sidecar', async () => {
    const { timers, sidecar } = cluster();
    const [one, two] = [sidecar(), sidecar()];
    attack(one.abuse, 60);
    attack(two.abuse, 60);
    await timers.advanceAsync(2_000);
    expect(one.abuse.mayAnswer(AOR, STRANGER)).toBe(false);
    expect(two.abuse.mayAnswer(AOR, STRANGER)).toBe(false);
  });
});

test('a nonce is good for three wrong answers', () => {
  const { abuse } = cluster().sidecar();
  for (let i = 0; i < 2; i++) abuse.wrongAnswer(AOR, nonce('a'));
  expect(abuse.isSpent('a')).toBe(false);
  abuse.wrongAnswer(AOR, nonce('a'));
  expect(abuse.isSpent('a')).toBe(true);
  expect(abuse.isSpent('b')).toBe(false);
});

test('strangers in any number evict no source that has authenticated', () => {
  const { abuse } = cluster().sidecar();
  abuse.succeeded(AOR, '192.0.2.7');
  for (let i = 0; i < 200_000; i++) abuse.wrongAnswer(AOR, nonce(`n${i}`));
  for (let i = 0; i < 30_000; i++) abuse.record(`198.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 'unknown user');
  expect(abuse.mayAnswer(AOR, '192.0.2.7')).toBe(true);
});

test('the figures count bans, sources with a score, and AORs that are closed', () => {
  const { timers, sidecar } = cluster();
  const { abuse } = sidecar();
  expect(abuse.figures).toEqual({ bans: 0, scoredSources: 0, highestScore: 0, closedAors: 0 });
  offend(abuse, 50);
  offend(abuse, 4, 'wrong password', '198.51.100.8');
  offend(abuse, 1, 'malformed request', '198.51.100.9');
  for (let i = 0; i < 100; i++) abuse.wrongAnswer(AOR);
  expect(abuse.figures).toEqual({ bans: 1, scoredSources: 2, highestScore: 20, closedAors: 1 });
  timers.advance(30_000);
  expect(abuse.figures).toEqual({ bans: 1, scoredSources: 1, highestScore: 10, closedAors: 1 });
  timers.advance(300_000);
  expect(abuse.figures).toMatchObject({ bans: 0, scoredSources: 0, closedAors: 0 });
});
