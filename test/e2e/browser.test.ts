import { beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import type { Browser } from 'playwright-core';
import { servePages, startBrowser } from '../support/browser.ts';
import { BrowserPhone } from '../support/browser-phone.ts';
import { TestAuthority } from '../support/certificates.ts';
import { headerOf, registerOnce, type User } from '../support/phone.ts';
import { fileWith, type RunningSidecar, startEmbedded } from './sidecar.ts';

// JsSIP and SIP.js in Chromium against the compiled binary.

const REALM = 'browser.example.com';
const PASSWORD = 'through the looking-glass';
const GRACE_SECONDS = 1;
const DEADLINE_MS = 30_000;

// Longer than the deadlines in the tests, whose messages say more.
setDefaultTimeout(30_000);

let browser: Browser;
let pageOf: (library: string) => string;
let sidecar: RunningSidecar;
let users = 0;

const certificate = new TestAuthority().certificate([], ['127.0.0.1']);

beforeAll(async () => {
  const names = Array.from({ length: 10 }, (_, i) => `user${i}`);
  const clients = names.map((name) => `[[account.client]]\nusername = "${name}"\npassword = "${PASSWORD}"`);
  const toml = `[[account]]\nrealm = "${REALM}"\n${clients.join('\n')}`;
  const args = ['--provision', await fileWith('accounts.toml', toml)];
  const env = { JAMBONES_CONNECTION_LOST_GRACE_SECONDS: String(GRACE_SECONDS), JAMBONES_LOGLEVEL: 'debug' };
  [browser, pageOf, sidecar] = await Promise.all([
    startBrowser(certificate),
    servePages(),
    startEmbedded({ listen: ['ws', 'wss'], certificate, args, env }),
  ]);
}, 60_000);

/** A phone with its own user, not registered yet. */
async function openPhone(library: string, protocol: 'ws' | 'wss', password = PASSWORD) {
  const user: User = { user: `user${users++}`, password: PASSWORD, realm: REALM };
  const { host, port } = sidecar.listener(protocol);
  const account = { server: `${protocol}://${host}:${port}`, user: user.user, domain: REALM, password };
  return { user, phone: await BrowserPhone.open(browser, pageOf(library), account) };
}

/** The user's bindings as a Contact header. */
async function bindings(user: User): Promise<string | undefined> {
  const answer = await registerOnce(sidecar.sip, user, { contact: null });
  expect(answer.status).toBe(200);
  return headerOf(answer, 'Contact');
}

const cseq = (answer: string) => Number(/^CSeq: (\d+)/m.exec(answer)?.[1]);

describe.each(['ws', 'wss'] as const)('JsSIP over %s', (protocol) => {
  test('registers, refreshes on request and by its timer, and un-registers', async () => {
    const { user, phone } = await openPhone('jssip', protocol);
    const first = await phone.register();
    expect(first).toStartWith('SIP/2.0 200 ');
    await phone.shows('registered');
    await phone.screenshot(`jssip-${protocol}`);
    const contact = await bindings(user);
    // RFC 7118 5.2.2: the transport is ws for WSS too.
    expect(contact).toMatch(/^<sip:[^@>]+@[a-z0-9]+\.invalid;transport=ws>[^,]*;expires=\d+$/);

    const second = await phone.register();
    expect(second).toStartWith('SIP/2.0 200 ');
    expect(cseq(second)).toBeGreaterThan(cseq(first));
    const third = await phone.later(600);
    expect(third).toStartWith('SIP/2.0 200 ');
    expect(cseq(third)).toBeGreaterThan(cseq(second));
    await phone.shows('registered');
    expect((await bindings(user))?.split(';')[0]).toBe(contact?.split(';')[0] ?? '');

    expect(await phone.unregister()).toStartWith('SIP/2.0 200 ');
    await phone.shows('not registered');
    expect(await bindings(user)).toBeUndefined();
    await phone.close();
  });

  test('loses its binding when its page is closed', async () => {
    const { user, phone } = await openPhone('jssip', protocol);
    expect(await phone.register()).toStartWith('SIP/2.0 200 ');
    expect(await bindings(user)).toContain('transport=ws');
    await phone.close();
    await sidecar.process.line(new RegExp(`"${user.user}@.*connection lost, bindings removed`), DEADLINE_MS);
    expect(await bindings(user)).toBeUndefined();
  });
});

test('JsSIP shows why it is refused', async () => {
  const { user, phone } = await openPhone('jssip', 'ws', 'wrong');
  expect(await phone.register()).toStartWith('SIP/2.0 403 ');
  await phone.shows('refused: 403 Forbidden');
  expect(await bindings(user)).toBeUndefined();
  await phone.close();
});

test('SIP.js registers over wss, refreshes on request, and un-registers', async () => {
  const { user, phone } = await openPhone('sipjs', 'wss');
  const first = await phone.register();
  expect(first).toStartWith('SIP/2.0 200 ');
  await phone.shows('registered');
  await phone.screenshot('sipjs-wss');
  expect(await bindings(user)).toMatch(/^<sip:[^@>]+@[a-z0-9]+\.invalid;transport=ws>[^,]*;expires=\d+$/);

  const second = await phone.register();
  expect(second).toStartWith('SIP/2.0 200 ');
  expect(cseq(second)).toBeGreaterThan(cseq(first));

  expect(await phone.unregister()).toStartWith('SIP/2.0 200 ');
  await phone.shows('not registered');
  expect(await bindings(user)).toBeUndefined();
  await phone.close();
});
