import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import fc from 'fast-check';
import { QueryFault } from '../../src/ports/errors.ts';
import { demoAccount } from '../../src/provision/demo-account.ts';
import { ProvisionError, parseProvisioning } from '../../src/provision/file.ts';
import { provision } from '../../src/provision/index.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { openCore } from '../support/core.ts';

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
    ['a key that is no regular expression', '[[carrier]]\nname = "x"\n"a(b" = 1', /^p\.toml:3: carrier\[1\]\.a\(b /],
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

  test('with an unknown key of any characters is refused', () => {
    const key = fc.string({ minLength: 1 }).filter((name) => name !== 'account' && name !== 'carrier');
    fc.assert(
      fc.property(key, (name) => {
        const parse = () => parseProvisioning(`\n${JSON.stringify(name)} = 1`, 'p.toml');
        expect(parse).toThrow(ProvisionError);
        expect(parse).toThrow(JSON.stringify(name) === `"${name}"` ? /^p\.toml:2: / : /^p\.toml:\d: /);
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
    expect(() => provision(provisioning, file)).toThrow(QueryFault);
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
});
