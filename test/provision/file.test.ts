import { describe, expect, test } from 'bun:test';
import { demoAccount } from '../../src/adapters/sqlite/demo-account.ts';
import { applyProvisioning } from '../../src/adapters/sqlite/provisioning.ts';
import { ProvisionError, parseProvisioning } from '../../src/provision/file.ts';
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
    expect(parseProvisioning(GOOD, 'p.toml')).toMatchObject({
      account: [
        { realm: 'sidecar.test', active: true, client: [{ username: 'demo', active: true }] },
        { realm: 'hook.test', webhook: { url: 'https://example.com/auth', method: 'POST' } },
      ],
      carrier: [{ name: 'upstream', gateway: [{ port: 5060 }] }],
    });
  });

  const bad: [string, string, RegExp][] = [
    ['no TOML', 'a = = 1', /^p\.toml:1: /],
    [
      'a key that is not known',
      `${GOOD}\ncolour = "red"`,
      /^p\.toml:23: carrier\[1\]\.gateway\[1\]\.colour is not known here$/,
    ],
    [
      'a key that is missing',
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
  test.each(bad)('with %s is refused by file, line and key', (_, text, message) => {
    const parse = () => parseProvisioning(text, 'p.toml');
    expect(parse).toThrow(ProvisionError);
    expect(parse).toThrow(message);
  });

  test('replaces what was there; an account that stays keeps its sid', () => {
    const { database, cipher } = openCore({}, GOOD);
    const sids = () =>
      database
        .query<{ sip_realm: string; account_sid: string }, []>('SELECT sip_realm, account_sid FROM accounts')
        .all();
    const before = sids();
    applyProvisioning(database, cipher, parseProvisioning('[[account]]\nrealm = "sidecar.test"', 'p.toml'));
    expect(sids()).toEqual(before.filter((row) => row.sip_realm === 'sidecar.test'));
    expect(database.query('SELECT * FROM clients').all()).toEqual([]);
    expect(database.query('SELECT * FROM webhooks').all()).toEqual([]);
  });

  test('keeps passwords encrypted', () => {
    const { database } = openCore({}, GOOD);
    expect(JSON.stringify(database.query('SELECT * FROM clients').all())).not.toContain('change-me');
  });
});

describe('the demo account', () => {
  test('is made once, with a password of its own', () => {
    const { database, cipher } = openCore({}, '');
    const demo = demoAccount(database, cipher);
    expect(demo).toMatchObject({ realm: 'sidecar.test', username: 'demo' });
    expect(demo?.password).toMatch(/^[\w-]{12}$/);
    expect(demoAccount(database, cipher)).toEqual(demo as NonNullable<typeof demo>);
  });

  test('is not made beside other accounts', () => {
    const { database, cipher } = openCore();
    expect(demoAccount(database, cipher)).toBeUndefined();
  });
});
