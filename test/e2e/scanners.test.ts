import { describe, expect, test } from 'bun:test';
import { temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { freePort } from '../support/net.ts';
import { Phone } from '../support/phone.ts';
import { spawnProcess } from '../support/process.ts';
import { Prober } from './scanners-probe.ts';
import { cli, fileWith, type RunningSidecar, startEmbedded } from './sidecar.ts';

// sipvicious, and a closer look than it takes, against the compiled binary: what an outsider learns.

const REALM = 'scanned.example.com';
/** Known and unknown users have names of one length. */
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

/** Runs a scanner to its end while a phone at the same address registers again and again; returns its output. */
async function scan(command: Scanner, ...args: string[]): Promise<string> {
  return scanAt({ target: sidecar, from: '127.0.0.1', beside: '127.0.0.1' }, command, ...args);
}

interface Place {
  readonly target: RunningSidecar;
  /** Address of the scanner, which only svmap takes notice of. */
  readonly from: string;
  /** Address of the phone. */
  readonly beside: string;
}

async function scanAt({ target, from: own, beside }: Place, command: Scanner, ...args: string[]): Promise<string> {
  // They keep notes in their home, and all of them bind port 5060 by default.
  const common = ['-b', own, '-x', own, '-P', String(await freePort()), '-p', String(target.sip.port)];
  const scanner = spawnProcess(command, [...common, ...args], { env: { HOME: temporaryDirectory('sipvicious') } });
  let going = true;
  void scanner.exited.then(() => {
    going = false;
  });
  const legitimate = known[known.length - 1 - scans++] ?? '';
  const user = { user: legitimate, password: `password-of-${legitimate}`, realm: REALM };
  const phone = await Phone.open(target.sip, user, 'udp', { address: beside });
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

/** Some of each, so that a scanner that distinguishes them would show it. */
const candidates = [...known.slice(0, 30), ...unknown.slice(0, 30), ...known.slice(30, 60), ...unknown.slice(30, 60)];

describe('sipvicious', () => {
  test(
    'svmap sees a SIP server, not which',
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
    'svcrack gets the same responses for a known and for an unknown user',
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

describe.concurrent('sipvicious from outside of our networks', () => {
  // svwar and svcrack send from the first address of the host; -b has no effect.
  test.each<[Scanner, string, readonly string[]]>([
    ['svmap', '127.0.0.66', []],
    ['svmap', '127.0.0.66', ['-m', 'REGISTER']],
    ['svwar', '127.0.0.1', ['-m', 'REGISTER', '--domain', REALM, '-e', '5000-5020']],
    ['svwar', '127.0.0.1', ['-m', 'OPTIONS', '--domain', REALM, '-e', '5000-5020']],
    ['svwar', '127.0.0.1', ['-m', 'INVITE', '--domain', REALM, '-e', '5000-5020']],
    ['svcrack', '127.0.0.1', ['-u', '5000', '--domain', REALM, '-r', '1000-1400']],
  ])(
    '%s from %s with %j is banned at its first request, while a phone at another address registers',
    async (command, from, flags) => {
      const env = { JAMBONES_LOGLEVEL: 'warn', JAMBONES_NETWORK_CIDR: '10.0.0.0/8' };
      const target = await startEmbedded({ args: ['--provision', accounts], env });
      const place = { target, from, beside: '127.0.0.2' };
      const printed = await scanAt(place, command, ...flags, '127.0.0.1');
      expect(printed).toContain('found nothing');
      const { bans } = JSON.parse((await cli(target, 'ban', 'list', '--json')).stdout);
      expect(bans).toMatchObject([{ source: from }]);
      const { edge } = JSON.parse((await cli(target, 'status', '--json')).stdout);
      // The first request, too, has got no response.
      expect(edge.banned).toBeGreaterThan(0);
      const lines = target.process.lines.filter((line) => line.includes('"source banned"'));
      expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ why: 'scanner' }]);
      await target.stop();
    },
    TEST_DEADLINE_MS,
  );
});

describe('a closer look', () => {
  test('responses to known and to unknown users are the same, header by header', async () => {
    using prober = await Prober.open(sidecar.sip, REALM);
    const [user = '', stranger = ''] = [known[0], unknown[0]];
    for (const method of ['REGISTER', 'OPTIONS', 'INVITE'] as const) {
      const { ms: _, text: __, ...there } = await prober.ask(user, method);
      expect(await prober.ask(stranger, method)).toMatchObject(there);
    }
    const { ms: _, text: __, ...refused } = await prober.guess(user);
    expect(refused.status).toBe('SIP/2.0 403 Forbidden');
    expect(await prober.guess(stranger)).toMatchObject(refused);
    // A user who is registered at the moment looks the same.
    const phone = await Phone.open(sidecar.sip, { user, password: `password-of-${user}`, realm: REALM });
    expect((await phone.register()).status).toBe(200);
    const { ms: _ms, text: _text, ...registered } = await prober.ask(user);
    expect(await prober.ask(stranger)).toMatchObject(registered);
    expect(await prober.guess(user)).toMatchObject(refused);
    await phone.register({ expires: 0 });
    phone.close();
  });
});
