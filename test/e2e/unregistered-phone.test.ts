import { describe, expect, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/net.ts';
import { Phone } from '../support/phone.ts';
import { cli, fileWith, startEmbedded } from './sidecar.ts';

// What docs/operations.md says under "A phone does not register".

const OFFICE = '127.0.0.30';
const PASSWORDS = { alice: 'wonderland', bob: 'correct horse', carol: 'battery staple' };

const webhookPort = await freePort();
const sidecar = await startEmbedded({
  args: [
    '--provision',
    await fileWith(
      'accounts.toml',
      `[[account]]
realm = "acme.example.com"
${Object.entries(PASSWORDS)
  .map(
    ([user, password]) =>
      `[[account.client]]\nusername = "${user}"\npassword = "${password}"\nactive = ${user !== 'carol'}\n`,
  )
  .join('')}
[[account]]
realm = "initech.example.com"
active = false
[[account]]
realm = "globex.example.com"
[account.webhook]
url = "http://127.0.0.1:${webhookPort}/register"
`,
    ),
  ],
  // So that addresses in 127.0.0.0/8 may be banned.
  env: { JAMBONES_NETWORK_CIDR: '10.0.0.0/8' },
});

function open(user: string, realm: string, password: string, address = '127.0.0.1'): Promise<Phone> {
  return Phone.open(sidecar.sip, { user, password, realm }, 'udp', { address });
}

const shown = async (aor: string) => (await cli(sidecar, 'reg', 'show', aor)).stdout;

describe('reg show has the cause', () => {
  const CAUSES: [string, string, string, RegExp][] = [
    ['alice', 'acme', 'not the password', /^Reason: +InvalidCredentials: wrong password of alice$/m],
    ['carol', 'acme', PASSWORDS.carol, /^Client: +carol, deactivated$/m],
    ['carol', 'acme', PASSWORDS.carol, /^Reason: +InvalidCredentials: client carol is deactivated$/m],
    ['alcie', 'acme', PASSWORDS.alice, /^Reason: +UnknownUser: no client alcie$/m],
    ['alice', 'acem', PASSWORDS.alice, /^Account: +none has this realm$/m],
    ['peter', 'initech', PASSWORDS.alice, /^Account: .* \(initech\.example\.com\), deactivated$/m],
    ['hank', 'globex', PASSWORDS.alice, /^Reason: +WebhookFailed: .*connect ECONNREFUSED /m],
  ];
  test.each(CAUSES)('%s at %s', async (user, account, password, cause) => {
    const realm = `${account}.example.com`;
    using phone = await open(user, realm, password);
    expect((await phone.register()).status).toBeGreaterThanOrEqual(403);
    expect(await shown(`${user}@${realm}`)).toMatch(cause);
    const { stdout } = await cli(sidecar, 'reg', 'show', `${user}@${realm}`, '--json');
    expect(JSON.parse(stdout).lastRefusal).toMatchObject({ source: expect.stringContaining('127.0.0.1:') });
  });

  test('a webhook that is down, with the failure that brought it down', async () => {
    using phone = await open('hank', 'globex.example.com', PASSWORDS.alice);
    for (let i = 0; i < 6; i++) await phone.register();
    expect(await shown('hank@globex.example.com')).toMatch(/^Reason: +WebhookFailed: the webhook is down: connect /m);
  });
});

test('a registered phone whose address is banned is shown as such, and ban list has the address', async () => {
  using bob = await open('bob', 'acme.example.com', PASSWORDS.bob, OFFICE);
  expect((await bob.register()).status).toBe(200);
  expect(await shown('bob@acme.example.com')).not.toContain('Banned');
  const alices = await Promise.all(
    Array.from({ length: 60 }, () => open('alice', 'acme.example.com', 'not the password', OFFICE)),
  );
  // The last ones get no response.
  for (const alice of alices) alice.register().catch(() => {});
  const page = await eventually('the ban', async () => {
    const text = await shown('bob@acme.example.com');
    return text.includes('Banned') ? text : undefined;
  });
  for (const alice of alices) alice.close();
  expect(page).toMatch(/^Registered: +yes, 1 binding$/m);
  expect(page).toMatch(/^Banned: +for [45] min$/m);
  expect((await cli(sidecar, 'ban', 'list')).stdout).toContain(OFFICE);
  await cli(sidecar, 'ban', 'clear', OFFICE);
  expect(await shown('bob@acme.example.com')).not.toContain('Banned');
});
