import { describe, expect, test } from 'bun:test';
import { webhookServer } from '../../examples/webhook-server.ts';
import { onCleanup } from '../support/cleanup.ts';
import { openDatabase } from '../support/mariadb.ts';
import { startRedis } from '../support/redis.ts';
import { insertAccount, insertClient } from '../support/schema.ts';
import { runSipp } from '../support/sipp.ts';
import { fileWith, outsideStores, type RunningSidecar, startEmbedded } from './sidecar.ts';

// SIPp as phones against the compiled binary, over UDP and TCP, with SQLite and with Redis and MariaDB.

const SECRET = 'e2e-secret';
const REALMS = {
  open: 'e2e.example.com',
  closed: 'closed.e2e.example.com',
  hook: 'hook.e2e.example.org',
  down: 'down.e2e.example.org',
};
/** One per scenario and transport, so that no scenario sees bindings of another. */
const USERS = Array.from({ length: 40 }, (_, i) => ({ username: `user${i}`, password: `scenario-pass-${i}` }));

const customer = webhookServer({
  port: 0,
  hostname: '127.0.0.1',
  secret: 'webhook-secret',
  users: USERS.map((user) => ({ ...user, realm: REALMS.hook })),
});
onCleanup(() => customer.stop());
const NOBODY = 'http://127.0.0.1:1/register';

const SETTINGS = { JAMBONES_REGISTER_MIN_EXPIRES: '60', JAMBONES_REGISTER_MAX_CONTACTS: '2' };

async function withSqlite(): Promise<RunningSidecar> {
  const webhook = (url: string) => `[account.webhook]\nurl = "${url}"\nsecret = "webhook-secret"`;
  const clients = USERS.map((u) => `[[account.client]]\nusername = "${u.username}"\npassword = "${u.password}"`);
  const toml = `
[[account]]
realm = "${REALMS.open}"
${clients.join('\n')}
[[account]]
realm = "${REALMS.closed}"
active = false
[[account]]
realm = "${REALMS.hook}"
${webhook(customer.url)}
[[account]]
realm = "${REALMS.down}"
${webhook(NOBODY)}
`;
  return startEmbedded({ args: ['--provision', await fileWith('accounts.toml', toml)], env: SETTINGS });
}

async function withRedisAndMariadb(): Promise<RunningSidecar> {
  const [redis, mysql] = await Promise.all([startRedis(), openDatabase()]);
  const accountSid = await insertAccount(mysql, { realm: REALMS.open });
  for (const user of USERS) await insertClient(mysql, { accountSid, ...user, secret: SECRET });
  await insertAccount(mysql, { realm: REALMS.closed, isActive: false });
  await insertAccount(mysql, { realm: REALMS.hook, webhook: { url: customer.url }, webhookSecret: 'webhook-secret' });
  await insertAccount(mysql, { realm: REALMS.down, webhook: { url: NOBODY }, webhookSecret: 'webhook-secret' });
  return startEmbedded({ env: { ...SETTINGS, ...outsideStores(redis, mysql, SECRET) } });
}

const scenarios: [scenario: string, realm: string, password?: string][] = [
  ['register-success', REALMS.open],
  ['register-wrong-password', REALMS.open, 'a-wrong-guess'],
  ['register-unknown-realm', 'unknown.e2e.example.net'],
  ['register-deactivated', REALMS.closed],
  ['register-ipv4-realm', REALMS.open],
  ['refresh', REALMS.open],
  ['unregister', REALMS.open],
  ['query', REALMS.open],
  ['star', REALMS.open],
  ['interval-too-brief', REALMS.open],
  ['two-contacts', REALMS.open],
  ['webhook-ok', REALMS.hook],
  ['webhook-fail', REALMS.hook, 'a-wrong-guess'],
  ['webhook-down', REALMS.down],
];

for (const [stores, start] of [
  ['SQLite', withSqlite],
  ['Redis and MariaDB', withRedisAndMariadb],
] as const)
  describe(`SIPp against the binary with ${stores}`, async () => {
    const sidecar = await start();
    let next = 0;
    for (const transport of ['u1', 't1'] as const)
      for (const [scenario, realm, wrongPassword] of scenarios) {
        const user = USERS[next++] ?? { username: '', password: '' };
        test(`${scenario} over ${transport === 'u1' ? 'UDP' : 'TCP'}`, async () => {
          const result = await runSipp({
            scenario,
            target: sidecar.sip,
            transport,
            user: user.username,
            password: wrongPassword ?? user.password,
            realm,
            deadlineMs: 30_000,
          });
          expect(result.errors).toBe('');
          expect(result.code).toBe(0);
        });
      }
  });
