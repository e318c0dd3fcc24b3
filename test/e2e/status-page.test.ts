import { beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import type { Browser } from 'playwright-core';
import { startBrowser } from '../support/browser.ts';
import { PHONE, StatusPageTab } from '../support/browser-status-page.ts';
import { CARRIER_PASSWORD } from '../support/carriers.ts';
import { freePort } from '../support/net.ts';
import { Phone, type RegisterFields, type User } from '../support/phone.ts';
import { startRedis } from '../support/redis.ts';
import { secret } from '../support/secrets.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { Registrar } from '../support/sip-registrar.ts';
import { request } from '../support/sip-request.ts';
import { UdpPeer } from '../support/wire.ts';
import { QUICK } from './outbound.ts';
import { fileWith, type RunningSidecar, startEmbedded } from './sidecar.ts';

// The status page of the compiled binary in Chromium.

const REALM = 'office.example.com';
const PASSWORD = 'through the looking-glass';
const WRONG_PASSWORD = 'guessed-at-random';
const TOKEN = secret('the token of operators', 'token-of-the-operators');
const INTRUDER = '127.0.9.66';
const USERS = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi'];
const BINDINGS = 100_000;
const DEADLINE_MS = 30_000;

// Longer than the deadlines in the tests, whose messages say more.
setDefaultTimeout(60_000);

interface Served extends RunningSidecar {
  readonly url: string;
}

let browser: Browser;
let sidecar: Served;

beforeAll(async () => {
  const registrar = new Registrar({ password: () => CARRIER_PASSWORD });
  const peer = await SipPeer.start(registrar.script);
  const clients = USERS.map((user) => `[[account.client]]\nusername = "${user}"\npassword = "${PASSWORD}"\n`);
  const carrier = (name: string, port: number) => `
[[carrier]]
name = "${name}"
account = "${REALM}"
register = { username = "line", password = "${CARRIER_PASSWORD}", realm = "registrar.test" }
[[carrier.gateway]]
host = "127.0.0.1"
port = ${port}
options_ping = true
`;
  const toml = `[[account]]\nrealm = "${REALM}"\n${clients.join('')}${carrier('Upstream', peer.port)}${carrier('Away', await freePort())}`;
  const args = ['--provision', await fileWith('accounts.toml', toml)];
  const env = { ...QUICK, SEND_OPTIONS_PING_INTERVAL: '1', JAMBONES_NETWORK_CIDR: '127.0.0.0/24' };
  [browser, sidecar] = await Promise.all([startBrowser(), serve({ ...env, HTTP_ADMIN_TOKEN: TOKEN }, args)]);
  await checkIn('127.0.0.11', 12);
  await checkIn('127.0.0.12', 3);
}, 120_000);

async function serve(env: Record<string, string>, args: readonly string[] = []): Promise<Served> {
  const port = await freePort();
  const started = await startEmbedded({ args, env: { ...env, HTTP_PORT: String(port) } });
  return { ...started, url: `http://127.0.0.1:${port}/` };
}

async function checkIn(ip: string, calls: number): Promise<void> {
  using server = await UdpPeer.open(sidecar.sip.port, '127.0.0.1', ip);
  const extra = `X-FS-Status: open\r\nX-FS-Calls: ${calls}\r\nX-FS-ServiceUrl: http://${ip}:3000\r\n`;
  server.send(request('OPTIONS', `UDP ${ip}:${server.port}`, { extra }));
  expect(await server.next('an answer to the check-in')).toStartWith('SIP/2.0 200');
}

async function register(user: string, fields: RegisterFields = {}, password = PASSWORD): Promise<number> {
  const who: User = { user, password, realm: REALM };
  using phone = await Phone.open(sidecar.sip, who, 'udp', { address: '127.0.8.1' });
  return (await phone.register(fields)).status;
}

/** The answer to an act without a browser. */
async function post(action: string, body: object, headers: Record<string, string>): Promise<number> {
  const init = {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  };
  return (await fetch(new URL(`/api/${action}`, sidecar.url), init)).status;
}

test('a registration is shown as it happens, and can be found', async () => {
  const page = await StatusPageTab.open(browser, sidecar.url);
  expect(await register('alice', { headers: { 'User-Agent': 'Phone/1.0' } })).toBe(200);
  await page.shows('#events li', `alice@${REALM}`);
  await page.page.getByLabel('Part of an AOR').fill('ALI');
  await page.row('found', `alice@${REALM}`).getByText('Phone/1.0').waitFor();
  await page.shows('#search-result', /^1 binding$/);
  await page.page.getByLabel('Part of an AOR').fill('127.0.8.1');
  await page.button(`alice@${REALM}`).click();
  await page.shows('#details dd', 'Phone/1.0');
  await page.close();
});

test('texts of strangers are shown as text', async () => {
  const page = await StatusPageTab.open(browser, sidecar.url);
  const hostile = '<img src=x onerror=alert(1)>"\'&amp;\u202e<script>alert(2)</script>';
  await register('bob', { headers: { 'User-Agent': hostile } });
  await page.shows('#events li', hostile.replace('\u202e', '\ufffd'));
  expect(await page.page.locator('main img, main script').count()).toBe(0);
  await page.close();
});

test('the search tells why an AOR is not registered', async () => {
  const page = await StatusPageTab.open(browser, sidecar.url);
  expect(await register('carol', {}, WRONG_PASSWORD)).toBe(403);
  await page.page.getByLabel('Part of an AOR').fill(`carol@${REALM}`);
  await page.shows(
    '#search-result',
    /0 bindings; last refused \d+ s ago: InvalidCredentials \(403\), from 127\.0\.8\.1:/,
  );
  await page.shows('#refusals td', 'InvalidCredentials');
  await page.close();
});

describe('acts', () => {
  test('are not offered without the token, and refused without it or with a wrong one', async () => {
    const page = await StatusPageTab.open(browser, sidecar.url);
    await page.row('servers', '127.0.0.11').waitFor();
    await page.shows('#access', /^read-only$/);
    expect(await page.button('Drain').count()).toBe(0);
    await page.enterToken('not-the-token-of-operators');
    await page.shows('#token-error', 'Wrong token.');
    await page.close();
    expect(await post('fs-drain', { server: '127.0.0.11' }, {})).toBe(401);
    expect(await post('fs-drain', { server: '127.0.0.11' }, { Authorization: 'Bearer not-the-token' })).toBe(401);
    const foreign = { Authorization: `Bearer ${TOKEN}`, Origin: 'http://evil.test' };
    expect(await post('fs-drain', { server: '127.0.0.11' }, foreign)).toBe(403);
  });

  test('drain and undrain a feature server with the token, and are logged with the source', async () => {
    const page = await StatusPageTab.open(browser, sidecar.url);
    await page.unlock(TOKEN);
    const server = page.row('servers', '127.0.0.11');
    await page.button('Drain', server).click();
    await page.button('Drain', page.page.locator('#question')).click();
    await page.shows('#notice', /127\.0\.0\.11:\d+ is drained/);
    await server.getByText('drained').waitFor();
    await page.shows('#events li', 'drained');
    await sidecar.process.line(/"act":"fs-drain".*"source":"127\.0\.0\.1".*"result":"done"/, DEADLINE_MS);
    await page.button('Undrain', server).click();
    await server.getByText('active').waitFor();
    await page.close();
  });

  test('a drain of the last server asks again, and does nothing when the operator declines', async () => {
    const page = await StatusPageTab.open(browser, sidecar.url);
    await page.unlock(TOKEN);
    const drain = async (ip: string) => {
      await page.button('Drain', page.row('servers', ip)).click();
      await page.button('Drain', page.page.locator('#question')).click();
    };
    await drain('127.0.0.11');
    await page.row('servers', '127.0.0.11').getByText('drained').waitFor();
    await drain('127.0.0.12');
    await page.shows('#question-text', /last active/);
    await page.button('Cancel', page.page.locator('#question')).click();
    await page.row('servers', '127.0.0.12').getByText('active').waitFor();
    await page.button('Undrain', page.row('servers', '127.0.0.11')).click();
    await page.row('servers', '127.0.0.11').getByText('active').waitFor();
    page.expectProblem(/409/);
    await page.close();
  });

  test('remove a binding', async () => {
    expect(await register('dave')).toBe(200);
    const page = await StatusPageTab.open(browser, sidecar.url);
    await page.unlock(TOKEN);
    await page.page.getByLabel('Part of an AOR').fill('dave');
    await page.button('Remove', page.row('found', 'dave')).click();
    await page.button('Remove', page.page.locator('#question')).click();
    await page.shows('#search-result', /^0 bindings$/);
    await page.shows('#events li', 'unregistered');
    await page.close();
  });

  test('lift a ban', async () => {
    using scanner = await UdpPeer.open(sidecar.sip.port, '127.0.0.1', INTRUDER);
    scanner.send(request('OPTIONS', `UDP ${INTRUDER}:${scanner.port}`, { extra: 'User-Agent: friendly-scanner\r\n' }));
    const page = await StatusPageTab.open(browser, sidecar.url);
    await page.row('bans', INTRUDER).waitFor();
    await page.unlock(TOKEN);
    await page.button('Lift', page.row('bans', INTRUDER)).click();
    await page.button('Lift', page.page.locator('#question')).click();
    await page.isGone('#bans tbody tr', INTRUDER);
    await page.close();
  });

  test('are impossible where there is no token', async () => {
    const other = await serve({});
    const page = await StatusPageTab.open(browser, other.url);
    await page.shows('#access', 'read-only: HTTP_ADMIN_TOKEN is not set');
    expect(await page.button('Enter token').count()).toBe(0);
    const init = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"server":"127.0.0.1"}' };
    expect((await fetch(new URL('/api/fs-drain', other.url), init)).status).toBe(404);
    await page.close();
  });
});

test('100 000 bindings are searched', async () => {
  const redis = await startRedis();
  const expiryTime = Date.now() + 3_600_000;
  for (let from = 0; from < BINDINGS; from += 10_000) {
    const users = Array.from({ length: 10_000 }, (_, i) => from + i);
    const named = users.map((i) => [`user:u${i}@r${i % 7}.example.com`, i] as const);
    const json = (i: number) =>
      JSON.stringify({
        contact: `sip:u${i}@192.0.2.1`,
        protocol: 'udp',
        proxy: 'sip:192.0.2.1:5060',
        expiryTime,
      });
    await redis.client.mset(...named.flatMap(([key, i]) => [key, json(i)]));
    await redis.client.zadd('active-user', ...named.flatMap(([key]) => [expiryTime, key]));
  }
  const other = await serve({ JAMBONES_REDIS_HOST: redis.host, JAMBONES_REDIS_PORT: String(redis.port) });
  const page = await StatusPageTab.open(browser, other.url);
  await page.shows('#tiles dd', '100 000'.replace(' ', '\u202f'));
  const search = page.page.getByLabel('Part of an AOR');
  await search.fill('u99999@');
  await page.row('found', 'u99999@r4.example.com').waitFor();
  await page.shows('#search-result', /^1 binding$/);
  await search.fill('u9999');
  await page.shows('#search-result', /^11 bindings$/);
  await search.fill('example.com');
  await page.shows('#search-result', /^100 bindings; there are more/);
  expect(await page.row('found', 'example.com').count()).toBe(100);
  await page.close();
});

test('the page says that the sidecar has stopped, comes back with it, and asks for its new token', async () => {
  const first = await serve({ HTTP_ADMIN_TOKEN: TOKEN });
  const page = await StatusPageTab.open(browser, first.url);
  await page.unlock(TOKEN);
  expect(await first.stop()).toBe(0);
  await page.shows('#readiness', 'no connection to the sidecar');
  const next = { HTTP_PORT: new URL(first.url).port, HTTP_ADMIN_TOKEN: 'another-token-of-operators' };
  await startEmbedded({ env: next });
  await page.shows('#readiness', /^ready$/);
  await page.shows('#access', /^read-only$/);
  await page.unlock(next.HTTP_ADMIN_TOKEN);
  await page.page.close();
});

test('the keyboard reaches everything: the token is entered without a mouse', async () => {
  const page = await StatusPageTab.open(browser, sidecar.url);
  const { keyboard } = page.page;
  await keyboard.press('Tab');
  expect(await page.page.locator(':focus').innerText()).toBe('Skip to the figures');
  await keyboard.press('Tab');
  await keyboard.press('Enter');
  await page.page.locator('#token-dialog').waitFor();
  await keyboard.type(TOKEN);
  await keyboard.press('Enter');
  await page.shows('#access', 'you may act');
  await page.close();
});

describe('the look', () => {
  beforeAll(async () => {
    const agents = ['Yealink SIP-T46U 108.86.0.20', 'Zoiper v2.10.20', 'Grandstream GXP1630 1.0.7.13', 'JsSIP 3.13.8'];
    for (let i = 0; i < 40; i++) {
      const user = USERS[i % USERS.length] ?? '';
      await register(
        user,
        { headers: { 'User-Agent': agents[i % agents.length] ?? '' } },
        i % 5 ? PASSWORD : WRONG_PASSWORD,
      );
    }
    using scanner = await UdpPeer.open(sidecar.sip.port, '127.0.0.1', '127.0.9.67');
    scanner.send(request('OPTIONS', `UDP 127.0.9.67:${scanner.port}`, { extra: 'User-Agent: sipvicious\r\n' }));
  });

  test.each([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['phone', { colorScheme: 'light', viewport: PHONE }],
    ['phone-dark', { colorScheme: 'dark', viewport: PHONE }],
  ] as const)('%s is accessible', async (name, look) => {
    const page = await StatusPageTab.open(browser, sidecar.url, look);
    await page.unlock(TOKEN);
    await page.row('trunks', 'Upstream').getByText('registered').waitFor();
    await page.row('bans', '127.0.9.67').waitFor();
    await page.row('realms', REALM).waitFor();
    await page.page.getByLabel('Part of an AOR').fill(REALM);
    await page.row('found', 'heidi').waitFor();
    await page.isAccessible();
    await page.screenshot(name);
    await page.button(`heidi@${REALM}`).click();
    await page.page.locator('#details').waitFor();
    await page.isAccessible();
    await page.close();
  });
});
