import { describe, expect, test } from 'bun:test';
import { rssMb } from '../../bench/lib/proc.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { freePort } from '../support/net.ts';
import { Phone } from '../support/phone.ts';
import { spawnProcess } from '../support/process.ts';
import { median, Prober } from './scanners-probe.ts';
import { fileWith, startEmbedded } from './sidecar.ts';

// sipvicious, and a closer look than it takes, against the compiled binary: what is to be learned from outside.

const REALM = 'scanned.example.com';
/** Names of one length, half of which are users. */
const COUNT = 200;
const known = Array.from({ length: 2 * COUNT }, (_, i) => `${5000 + i}`);
const unknown = Array.from({ length: COUNT }, (_, i) => `${7000 + i}`);
const SCAN_DEADLINE_MS = 40_000;
const TEST_DEADLINE_MS = 60_000;
/** What a few thousand remembered answers and a collector that takes its time may come to. */
const TOLERATED_MB = 60;
/** Times that differ by less than this share are taken for the same: a few µs, on a machine that does other things. */
const TOLERATED_SHARE = 0.15;

const clients = known.map((name) => `[[account.client]]\nusername = "${name}"\npassword = "pw-${name}"`);
const accounts = await fileWith('accounts.toml', `[[account]]\nrealm = "${REALM}"\n${clients.join('\n')}\n`);
const sidecar = await startEmbedded({ args: ['--provision', accounts], env: { JAMBONES_LOGLEVEL: 'error' } });
/** The last of the known register while others scan; no scan has them. */
let scans = 0;

/** Runs a scanner to its end while a phone registers again and again; returns what the scanner has printed. */
async function scan(command: 'svmap' | 'svwar' | 'svcrack', ...args: string[]): Promise<string> {
  // They keep notes in their home, and all of them would like to have port 5060.
  const own = ['-b', '127.0.0.1', '-x', '127.0.0.1', '-P', String(await freePort()), '-p', String(sidecar.sip.port)];
  const before = rssMb({ name: 'sidecar', pid: sidecar.process.pid });
  const scanner = spawnProcess(command, [...own, ...args], { env: { HOME: temporaryDirectory('sipvicious') } });
  let going = true;
  void scanner.exited.then(() => {
    going = false;
  });
  const deadline = performance.now() + SCAN_DEADLINE_MS;
  const legitimate = known[known.length - 1 - scans++] ?? '';
  const phone = await Phone.open(sidecar.sip, { user: legitimate, password: `pw-${legitimate}`, realm: REALM });
  try {
    do {
      expect((await phone.register()).status).toBe(200);
      expect((await phone.register({ expires: 0 })).status).toBe(200);
    } while (going && performance.now() < deadline);
    await within(scanner.exited, 1000, `end of ${command}`);
  } finally {
    scanner.kill('SIGKILL');
    phone.close();
  }
  expect(rssMb({ name: 'sidecar', pid: sidecar.process.pid })).toBeLessThan(before + TOLERATED_MB);
  return scanner.lines.join('\n');
}

async function wordList(words: readonly string[]): Promise<string> {
  return fileWith('words.txt', `${words.join('\n')}\n`);
}

/** Some of each, so that a scanner that told them apart would show it. */
const candidates = [...known.slice(0, 30), ...unknown.slice(0, 30), ...known.slice(30, 60), ...unknown.slice(30, 60)];

describe('sipvicious', () => {
  test(
    'svmap sees that somebody speaks SIP, not who',
    async () => {
      const printed = await scan('svmap', '127.0.0.1');
      expect(printed).toContain(`127.0.0.1:${sidecar.sip.port}`);
      expect(printed).toMatch(/\| unknown +\|/);
      expect(printed).not.toMatch(/sidecar|drachtio|jambonz|bun/i);
    },
    TEST_DEADLINE_MS,
  );

  test.each([
    ['REGISTER', [['--domain', REALM], ['--domain', REALM, '--force'], []]],
    ['OPTIONS', [['--domain', REALM]]],
    ['INVITE', [['--domain', REALM]]],
  ])(
    'svwar finds no extension by %s',
    async (method, ways) => {
      const words = await wordList(candidates);
      for (const flags of ways) {
        const common = ['-m', method, '--maximumtime', '1', '-t', '0.001', '-d', words];
        const printed = await scan('svwar', ...common, ...flags, '127.0.0.1');
        expect(printed).toContain('found nothing');
        expect(printed).not.toMatch(/exists|\| *[57]\d{3}/);
      }
    },
    TEST_DEADLINE_MS,
  );

  test(
    'svcrack tells no user from nobody: to both every wrong password is just wrong',
    async () => {
      const words = await wordList(Array.from({ length: 150 }, (_, i) => `guess${i}`));
      // Side by side: at its end it waits 10 s for more.
      const cracked = await Promise.all(
        [known[1] ?? '', unknown[1] ?? ''].map((user) => {
          const flags = ['-u', user, '--domain', REALM, '--maximumtime', '1', '-t', '0.001', '-d', words];
          return scan('svcrack', ...flags, '127.0.0.1');
        }),
      );
      for (const printed of cracked)
        expect(printed).not.toMatch(/The password for|does not seem to require|cracked users/i);
      expect(cracked[1]).toBe(cracked[0]);
    },
    TEST_DEADLINE_MS,
  );
});

describe('a closer look', () => {
  test('answers to users and to nobody are the same, header by header', async () => {
    using prober = await Prober.open(sidecar.sip, REALM);
    const [user = '', nobody = ''] = [known[0], unknown[0]];
    for (const method of ['REGISTER', 'OPTIONS', 'INVITE'] as const) {
      const { ms: _, text: __, ...there } = await prober.ask(user, method);
      expect(await prober.ask(nobody, method)).toMatchObject(there);
    }
    const { ms: _, text: __, ...refused } = await prober.guess(user);
    expect(refused.status).toBe('SIP/2.0 403 Forbidden');
    expect(await prober.guess(nobody)).toMatchObject(refused);
    // One who is registered right now looks no different either.
    const phone = await Phone.open(sidecar.sip, { user, password: `pw-${user}`, realm: REALM });
    expect((await phone.register()).status).toBe(200);
    const { ms: _ms, text: _text, ...registered } = await prober.ask(user);
    expect(await prober.ask(nobody)).toMatchObject(registered);
    expect(await prober.guess(user)).toMatchObject(refused);
    await phone.register({ expires: 0 });
    phone.close();
  });

  const probes: [what: string, probe: (prober: Prober, user: string) => Promise<{ readonly ms: number }>][] = [
    ['asking for a challenge', (prober, user) => prober.ask(user)],
    ['a first wrong password', (prober, user) => prober.guess(user)],
    ['a second wrong password', (prober, user) => prober.guess(user)],
  ];
  test.each(probes)(
    '%s takes as long for users as for nobody',
    async (_what, probe) => {
      using prober = await Prober.open(sidecar.sip, REALM);
      // Two kinds of users: how far they are apart is noise.
      const times = { some: [] as number[], others: [] as number[], nobody: [] as number[] };
      for (let i = 0; i < COUNT; i++) {
        const round = [
          { times: times.some, user: known[2 * i] },
          { times: times.nobody, user: unknown[i] },
          { times: times.others, user: known[2 * i + 1] },
        ];
        // Whoever is first in a round has another time than whoever is last: each is each as often.
        for (let k = 0; k < round.length; k++) {
          const turn = round[(i + k) % round.length];
          turn?.times.push((await probe(prober, turn.user ?? '')).ms);
        }
      }
      const [some, others, nobody] = [median(times.some), median(times.others), median(times.nobody)];
      const users = (some + others) / 2;
      if (process.env.SCANNERS_FIGURES) console.log({ some, others, nobody });
      expect(Math.abs(nobody - users)).toBeLessThan(users * TOLERATED_SHARE + 3 * Math.abs(some - others));
    },
    TEST_DEADLINE_MS,
  );
});
