import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import fc from 'fast-check';
import { DataError } from '../../src/adapters/sqlite/data-error.ts';
import { demoAccount } from '../../src/provision/demo-account.ts';
import { ProvisionError, parseProvisioning } from '../../src/provision/file.ts';
import { provision, provisionAgain } from '../../src/provision/index.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { openCore } from '../support/core.ts';

const SECRET = 'hunter2';

const GOOD = `
[[account]]
realm = "Sidecar.test"
[[account.client]]
username = "demo"
password = "change-me"

[[account]]
realm = "hook.test"
[account.webhook]
url = "https://example.com/auth"
secret = "s"

[[carrier]]
name = "upstream"
register = { username = "me", password = "secret", realm = "sip.carrier.test" }
[[carrier.gateway]]
host = "sip.carrier.test"
port = 5060
protocol = "udp"
options_ping = true
`;

describe('a provisioning file', () => {
  test('is read, with its defaults', () => {
    expect(parseProvisioning(GOOD, 'p.toml')).toEqual({
      accounts: [
        {
          realm: 'sidecar.test',
          isActive: true,
          webhook: undefined,
          clients: [
            {
              username: 'demo',
              password: 'change-me',
              isActive: true,
              grant: { allowDirectAppCalling: true, allowDirectQueueCalling: true, allowDirectUserCalling: true },
            },
          ],
        },
        {
          realm: 'hook.test',
          isActive: true,
          webhook: { url: 'https://example.com/auth', method: 'POST', secret: 's' },
          clients: [],
        },
      ],
      carriers: [
        {
          name: 'upstream',
          isActive: true,
          accountRealm: undefined,
          trunkType: 'static_ip',
          register: { username: 'me', password: 'secret', realm: 'sip.carrier.test' },
          fromUser: undefined,
          fromDomain: undefined,
          outboundProxy: undefined,
          publicIpInContact: false,
          gateways: [
            {
              host: 'sip.carrier.test',
              port: 5060,
              protocol: 'udp',
              isActive: true,
              sips: false,
              optionsPing: true,
            },
          ],
        },
      ],
    });
  });

  test('sets each flag of a client by its own key', () => {
    const flags = ['active', 'allow_direct_app_calling', 'allow_direct_queue_calling', 'allow_direct_user_calling'];
    const clients = flags.map((flag) => `[[account.client]]\nusername = "${flag}"\npassword = "p"\n${flag} = false`);
    const { accounts } = parseProvisioning(`[[account]]\nrealm = "a.test"\n${clients.join('\n')}`, 'p.toml');
    const flagsOf = accounts[0]?.clients.map(({ isActive, grant }) => [
      isActive,
      grant.allowDirectAppCalling,
      grant.allowDirectQueueCalling,
      grant.allowDirectUserCalling,
    ]);
    expect(flagsOf).toEqual([
      [false, true, true, true],
      [true, false, true, true],
      [true, true, false, true],
      [true, true, true, false],
    ]);
  });

  const bad: [string, string, RegExp][] = [
    ['invalid TOML', 'a = = 1', /^p\.toml:1: /],
    ['an unknown key', `${GOOD}\ncolour = "red"`, /^p\.toml:23: carrier\[1\]\.gateway\[1\]\.colour is not known here$/],
    ['a key that is no regular expression', '[[carrier]]\nname = "x"\n"a(b" = 1', /^p\.toml:3: carrier\[1\]\."a\(b" /],
    [
      'a missing key',
      '[[account]]\nrealm = "a.test"\n[[account.client]]\nusername = "x"',
      /^p\.toml:3: account\[1\]\.client\[1\]\.password is missing$/,
    ],
    ['a value of the wrong kind', '\n[[account]]\nrealm = 5', /^p\.toml:3: account\[1\]\.realm /],
    [
      'an address as realm',
      '[[account]]\nrealm = "192.0.2.1"',
      /^p\.toml:2: account\[1\]\.realm must be a domain name$/,
    ],
    [
      'an empty password',
      '[[account]]\nrealm = "a.test"\n[[account.client]]\nusername = "x"\npassword = ""',
      /^p\.toml:5: .*password must not be empty$/,
    ],
    [
      'one realm twice',
      '[[account]]\nrealm = "a.test"\n[[account]]\nrealm = "A.test"',
      /^p\.toml:4: account\[2\]\.realm is taken$/,
    ],
    [
      'clients beside a webhook',
      '[[account]]\nrealm = "a.test"\n[account.webhook]\nurl = "http://x/"\n[[account.client]]\nusername="a"\npassword="b"',
      /^p\.toml:1: account\[1\] has a webhook and clients/,
    ],
  ];
  test.each(bad)('with %s is refused, naming file, line and key', (_, text, message) => {
    const parse = () => parseProvisioning(text, 'p.toml');
    expect(parse).toThrow(ProvisionError);
    expect(parse).toThrow(message);
  });

  test('with several errors is refused with all of them, in the order of their lines', () => {
    const text = `
[[account]]
realm = "192.0.2.1"
colour = "red"
[[account.client]]
username = "x"
[[account.client]]
password = ""
username = "X"
[[account]]
realm = "b.test"
active = "hunter2"
[[account]]
realm = "B.test"
[[carrier]]
name = "c"
account = "none.test"
register = { username = 5, password = "hunter2", wrong = 1 }
[[carrier.gateway]]
host = "gw.test"
port = 70000
[[carrier.gateway]]
host = "GW.test"
port = 70000
[other]
`;
    expect(problems(text)).toEqual([
      'p.toml:3: account[1].realm must be a domain name',
      'p.toml:4: account[1].colour is not known here',
      'p.toml:5: account[1].client[1].password is missing',
      'p.toml:8: account[1].client[2].password must not be empty',
      'p.toml:9: account[1].client[2].username is taken',
      'p.toml:12: account[2].active must be true or false',
      'p.toml:14: account[3].realm is taken',
      'p.toml:17: carrier[1].account names an account that is not there',
      'p.toml:18: carrier[1].register.username must be a string',
      'p.toml:18: carrier[1].register.wrong is not known here',
      'p.toml:21: carrier[1].gateway[1].port must be a port from 1 to 65535',
      'p.toml:23: carrier[1].gateway[2].host is listed twice',
      'p.toml:24: carrier[1].gateway[2].port must be a port from 1 to 65535',
      'p.toml:25: other is not known here',
    ]);
  });

  test('of the wrong kind is refused with a bounded number of errors', () => {
    const lines = problems(Array.from({ length: 5000 }, (_, i) => `key${i} = 1`).join('\n'));
    expect(lines).toHaveLength(101);
    expect(lines.at(-1)).toBe('p.toml: and 4900 more');
  });

  test.each([
    ['"a(b" = 1', 'p.toml:1: "a(b" is not known here'],
    ['[[account]]\nrealm = "a.test"\n"[x" = 1', 'p.toml:3: account[1]."[x" is not known here'],
    ['"" = 1', 'p.toml:1: "" is not known here'],
    ['"a\\nb" = 1', 'p.toml:1: "a\\nb" is not known here'],
    ['"\\u001b[31m\\u202e" = 1', 'p.toml:1: "\\u001b[31m\\u202e" is not known here'],
    ['__proto__ = 1', 'p.toml:1: __proto__ is not known here'],
    ['[[account]]\nrealm = "a.test"\nconstructor = 1', 'p.toml:3: account[1].constructor is not known here'],
    ['toString.valueOf = 1', 'p.toml:1: toString is not known here'],
    ['account = 5', 'p.toml:1: account must be an array of tables'],
    ['account = [5]', 'p.toml:1: account[1] must be a table'],
    ['account = [\n{ realm = "a.test" },\n1979-05-27 ]', 'p.toml:3: account[2].realm is missing'],
  ])('with %j is refused in one printable line', (text, line) => {
    expect(problems(text)).toEqual([line]);
  });

  test('of any keys and values is read or refused, in printable lines that show no value', () => {
    const hostile = fc.constantFrom('(', '[', '*', '\\', '.', '"', "'", '#', '=', '\n', '\u202e', '{');
    const key = fc.oneof(
      fc.constantFrom('account', 'carrier', 'realm', 'client', 'gateway', 'password', 'username', 'name', '__proto__'),
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.string({ unit: hostile, maxLength: 5 }),
    );
    const scalar = fc.oneof(
      fc.constant(JSON.stringify(SECRET)),
      fc.constantFrom(
        '1',
        '-0.5',
        'inf',
        'nan',
        'true',
        '1979-05-27',
        '07:32:00',
        "'''\n[x]\n'''",
        '"""\n"a" = 1\n"""',
      ),
    );
    const { value } = fc.letrec<{ value: string }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        scalar,
        fc.array(tie('value'), { maxLength: 3 }).map((items) => `[ ${items.join(', ')} ]`),
        fc
          .uniqueArray(fc.tuple(key, tie('value')), { maxLength: 3, selector: ([name]) => name })
          .map((pairs) => `{ ${pairs.map(([name, inner]) => `${tomlString(name)} = ${inner}`).join(', ')} }`),
      ),
    }));
    const names = fc.array(key.map(tomlString), { minLength: 1, maxLength: 3 });
    const line = fc.oneof(
      fc.tuple(key, value).map(([name, inner]) => `${tomlString(name)} = ${inner}`),
      names.map((path) => `[${path.join('.')}]`),
      names.map((path) => `[[ ${path.join(' . ')} ]]`),
      fc.string({ unit: 'binary', maxLength: 20 }),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        for (const problem of problems(lines.join('\n'))) {
          expect(problem).toMatch(/^p\.toml:\d+: [\x20-\x7e…]+$/);
          expect(problem).not.toContain(SECRET);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('names the line of each key, however its tables are written', () => {
    const entry = fc.record({ inline: fc.boolean(), gap: fc.nat({ max: 3 }), quoted: fc.boolean() });
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 8 }), (entries) => {
        const lines: string[] = [];
        const expected: string[] = [];
        for (const [i, { inline, gap, quoted }] of entries.entries()) {
          lines.push(...Array.from({ length: gap }, (_, n) => (n % 2 === 0 ? '# [[account]]' : '')));
          lines.push(quoted ? '[["account"]] # x' : '[[ account ]]', `realm = 'r${i}.test'`);
          if (inline) lines.push('client = [', '  { username = "a", password = "]}" },', '  { username = "b" } ]');
          else lines.push('[[account.client]]', 'username = """', '[[account]]', 'b"""');
          const line = inline ? lines.length : lines.length - 3;
          expected.push(`p.toml:${line}: account[${i + 1}].client[${inline ? 2 : 1}].password is missing`);
        }
        expect(problems(lines.join('\n'))).toEqual(expected);
      }),
    );
  });

  test('replaces all accounts; one that stays keeps its sid', () => {
    const { database, provisioning } = openCore({}, GOOD);
    const sids = () =>
      database
        .query<{ sip_realm: string; account_sid: string }, []>('SELECT sip_realm, account_sid FROM accounts')
        .all();
    const before = sids();
    provisioning.apply(parseProvisioning('[[account]]\nrealm = "sidecar.test"', 'p.toml'));
    expect(sids()).toEqual(before.filter((row) => row.sip_realm === 'sidecar.test'));
    expect(database.query('SELECT * FROM clients').all()).toEqual([]);
    expect(database.query('SELECT * FROM webhooks').all()).toEqual([]);
  });

  test('is stored with its passwords encrypted', () => {
    const { database } = openCore({}, GOOD);
    expect(JSON.stringify(database.query('SELECT * FROM clients').all())).not.toContain('change-me');
  });

  test('is applied as a whole or not at all', () => {
    const { database, provisioning } = openCore({}, GOOD);
    const rows = () =>
      ['accounts', 'clients', 'webhooks', 'voip_carriers', 'sip_gateways'].map((table) =>
        database.query(`SELECT * FROM ${table}`).all(),
      );
    const before = rows();
    const account = { realm: 'twice.test', isActive: true, webhook: undefined, clients: [] };
    expect(() => provisioning.apply({ accounts: [account, account], carriers: [] })).toThrow();
    expect(rows()).toEqual(before);
  });
});

function problems(text: string): string[] {
  try {
    parseProvisioning(text, 'p.toml');
    return [];
  } catch (error) {
    if (error instanceof ProvisionError) return error.message.split('\n');
    throw error;
  }
}

/** A basic string, which is a key too. */
function tomlString(text: string): string {
  const isControl = (character: string) => character < ' ' || character === '\x7f';
  const escaped = Array.from(text.replace(/["\\]/g, '\\$&'), (character) =>
    isControl(character) ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : character,
  );
  return `"${escaped.join('')}"`;
}

describe('the demo account', () => {
  test('is created once, with a random password', () => {
    const { provisioning } = openCore({}, '');
    const demo = demoAccount(provisioning);
    expect(demo).toEqual({ realm: 'sidecar.test', username: 'demo', password: expect.stringMatching(/^[\w-]{12}$/) });
    expect(demoAccount(provisioning)).toEqual(demo);
    const other = openCore({}, '');
    expect(demoAccount(other.provisioning)?.password).not.toBe(demo?.password);
  });

  test('is not created beside other accounts', () => {
    const { provisioning } = openCore();
    expect(demoAccount(provisioning)).toBeUndefined();
  });
});

describe('provision()', () => {
  const directory = temporaryDirectory('provision');

  test('applies the file, and creates no demo account beside it', async () => {
    const file = join(directory, 'good.toml');
    await Bun.write(file, '[[account]]\nrealm = "file.test"');
    const { database, provisioning } = openCore({}, '');
    expect(provision(provisioning, file)).toBeUndefined();
    expect(database.query('SELECT sip_realm FROM accounts').all()).toEqual([{ sip_realm: 'file.test' }]);
  });

  test('says that the database refuses it', async () => {
    const file = join(directory, 'refused.toml');
    await Bun.write(file, '[[account]]\nrealm = "file.test"');
    const { database, provisioning } = openCore();
    database.run('DROP TABLE webhooks');
    expect(() => provision(provisioning, file)).toThrow(DataError);
  });

  test('creates the demo account when there is no file', () => {
    const { provisioning } = openCore({}, '');
    expect(provision(provisioning, undefined)).toMatchObject({ realm: 'sidecar.test' });
  });

  test('changes nothing when the file cannot be used', async () => {
    const file = join(directory, 'bad.toml');
    await Bun.write(file, '[[account]]\nrealm = 5');
    const { database, provisioning } = openCore();
    const before = database.query('SELECT * FROM accounts').all();
    expect(() => provision(provisioning, file)).toThrow(ProvisionError);
    expect(() => provision(provisioning, join(directory, 'missing.toml'))).toThrow(ProvisionError);
    expect(database.query('SELECT * FROM accounts').all()).toEqual(before);
  });

  test('refuses a file that is too large, not a file, or not text, without waiting for it', async () => {
    const { provisioning } = openCore();
    const file = join(directory, 'large.toml');
    await Bun.write(file, '#'.repeat(16 * 1024 * 1024 + 1));
    expect(() => provision(provisioning, file)).toThrow(`${file}: has 16777217 bytes, more than 16777216`);
    expect(() => provision(provisioning, directory)).toThrow(`${directory}: is not a regular file`);
    const pipe = join(directory, 'pipe');
    expect(Bun.spawnSync(['mkfifo', pipe]).exitCode).toBe(0);
    expect(() => provision(provisioning, pipe)).toThrow(`${pipe}: is not a regular file`);
    await Bun.write(file, new Uint8Array([0x23, 0xff]));
    expect(() => provision(provisioning, file)).toThrow(`${file}: is not UTF-8`);
  });
});

describe('provisionAgain()', () => {
  const file = join(temporaryDirectory('again'), 'p.toml');
  const carriersOnly = GOOD.slice(GOOD.indexOf('[[carrier]]'));
  const again = async (text: string, { provisioning } = openCore({}, GOOD)) => {
    await Bun.write(file, text);
    return provisionAgain(provisioning, file);
  };

  test('says what has changed', async () => {
    expect(await again(GOOD)).toBe('accounts 2, clients 1, carriers 1, gateways 1');
    expect(await again(`${GOOD}[[account]]\nrealm = "third.test"`)).toBe(
      'accounts 2 → 3, clients 1, carriers 1, gateways 1',
    );
    const account = '[[account]]\nrealm = "sidecar.test"';
    expect(await again(account)).toBe('accounts 2 → 1, clients 1 → 0, carriers 1 → 0, gateways 1 → 0');
    expect(await again(account, openCore({}, account))).toBe('accounts 1, clients 0');
  });

  test.each(['', '# truncated', carriersOnly])('refuses a file without accounts: %j', async (text) => {
    const core = openCore({}, GOOD);
    await expect(again(text, core)).rejects.toThrow(`${file}: has no account`);
    expect(core.provisioning.counts()).toEqual({ accounts: 2, clients: 1, carriers: 1, gateways: 1 });
  });

  test('accepts a file without accounts when there are none yet, unless it is empty', async () => {
    expect(await again(carriersOnly, openCore({}, carriersOnly))).toBe('accounts 0, clients 0, carriers 1, gateways 1');
    await expect(again('', openCore({}, carriersOnly))).rejects.toThrow(`${file}: has no account`);
  });
});
