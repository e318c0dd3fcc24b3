import { describe, expect, test } from 'bun:test';
import { temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { freePort } from '../support/net.ts';
import { Phone } from '../support/phone.ts';
import { spawnProcess } from '../support/process.ts';
import { Prober } from './scanners-probe.ts';
import { cli, fileWith, type RunningSidecar, startEmbedded } from './sidecar.ts';

// sipvicious, and a closer look than it takes, against the compiled binary: what is to be learned from outside.

const REALM = 'scanned.example.com';
/** Users and strangers have names of one length. */
const COUNT = 100;
const known = Array.from({ length: COUNT }, (_, i) => `${5000 + i}`);
const unknown = Array.from({ length: COUNT }, (_, i) => `${7000 + i}`);
const SCAN_DEADLINE_MS = 100_000;
const TEST_DEADLINE_MS = 200_000;

const clients = known.map((name) => `[[account.client]]\nusername = "${name}"\npassword = "password-of-${name}"`);
const accounts = await fileWith('accounts.toml', `[[account]]\nrealm = "${REALM}"\n${clients.join('\n')}\n`);
const sidecar = await startEmbedded({ args: ['--provision', accounts], env: { JAMBONES_LOGLEVEL: 'error' } });
/** The last of the known register while others scan; no scan has them. */
let scans = 0;

type Scanner = 'svmap' | 'svwar' | 'svcrack';

/** Runs a scanner to its end while a phone registers again and again; returns what the scanner has printed. */
async function scan(command: Scanner, ...args: string[]): Promise<string> {
  return scanFrom('127.0.0.1', sidecar, command, ...args);
}

async function scanFrom(own: string, sidecar: RunningSidecar, command: Scanner, ...args: string[]): Promise<string> {
  // They keep notes in their home, and all of them would like to have port 5060.
  const common = ['-b', own, '-x', own, '-P', String(await freePort()), '-p', String(sidecar.sip.port)];
  const scanner = spawnProcess(command, [...common, ...args], { env: { HOME: temporaryDirectory('sipvicious') } });
  let going = true;
  void scanner.exited.then(() => {
    going = false;
  });
  const legitimate = known[known.length - 1 - scans++] ?? '';
  const phone = await Phone.open(sidecar.sip, {
    user: legitimate,
    password: `password-of-${legitimate}`,
    realm: REALM,
  });
  const register = async () => {
    do {
      expect((await phone.register()).status).toBe(200);
      expect((await phone.register({ expires: 0 })).status).toBe(200);
    } while (going);
  };
  try {
    await within(Promise.all([scanner.exited, register()]), SCAN_DEADLINE_MS, `end of ${command}`);
  } finally {
    going = false;
    scanner.kill('SIGKILL');
    phone.close();
  }
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

test(
  'sipvicious from outside of our networks is banned at its first request',
  async () => {
    const env = { JAMBONES_LOGLEVEL: 'error', JAMBONES_NETWORK_CIDR: '10.0.0.0/8' };
    const guarded = await startEmbedded({ args: ['--provision', accounts], env });
    const intruder = '127.0.0.66';
    const printed = await scanFrom(intruder, guarded, 'svmap', '127.0.0.1');
    expect(printed).toContain('found nothing');
    const { bans } = JSON.parse((await cli(guarded, 'ban', 'list', '--json')).stdout);
    expect(bans).toMatchObject([{ source: intruder }]);
    await guarded.stop();
  },
  TEST_DEADLINE_MS,
);

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
    const phone = await Phone.open(sidecar.sip, { user, password: `password-of-${user}`, realm: REALM });
    expect((await phone.register()).status).toBe(200);
    const { ms: _ms, text: _text, ...registered } = await prober.ask(user);
    expect(await prober.ask(nobody)).toMatchObject(registered);
    expect(await prober.guess(user)).toMatchObject(refused);
    await phone.register({ expires: 0 });
    phone.close();
  });
});
