import { beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import type { Browser } from 'playwright-core';
import { servePages, startBrowser } from '../support/browser.ts';
import { BrowserPhone } from '../support/browser-phone.ts';
import { TestAuthority } from '../support/certificates.ts';
import { headerOf, registerOnce, type User } from '../support/phone.ts';
import { fileWith, type RunningSidecar, startEmbedded } from './sidecar.ts';

// Phones of web pages: JsSIP and SIP.js in Chromium against the compiled binary.

const REALM = 'browser.example.com';
const PASSWORD = 'through the looking-glass';
/** How long bindings outlive their connection, seconds. */
const GRACE_SECONDS = 1;
const DEADLINE_MS = 8000;

// Longer than the deadlines within, which say more.
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

/** A tab with the form filled in, for a user of its own. */
async function openPhone(library: string, protocol: 'ws' | 'wss', password = PASSWORD) {
  const user: User = { user: `user${users++}`, password: PASSWORD, realm: REALM };
  const { host, port } = sidecar.listener(protocol);
  const account = { server: `${protocol}://${host}:${port}`, user: user.user, domain: REALM, password };
  return { user, phone: await BrowserPhone.open(browser, pageOf(library), account) };
}

/** What anybody is told who asks for this user's bindings; undefined when there are none. */
async function bindings(user: User): Promise<string | undefined> {
  const answer = await registerOnce(sidecar.sip, user, { contact: null });
  expect(answer.status).toBe(200);
  return headerOf(answer, 'Contact');
}

const cseq = (answer: string) => Number(/^CSeq: (\d+)/m.exec(answer)?.[1]);

describe.each(['ws', 'wss'] as const)('JsSIP over %s', (protocol) => {
  test('registers, again when asked and when it is time, and unregisters', async () => {
    const { user, phone } = await openPhone('jssip', protocol);
    const first = await phone.register();
    expect(first).toStartWith('SIP/2.0 200 ');
    await phone.shows('registered');
    await phone.screenshot(`jssip-${protocol}`);
    const contact = await bindings(user);
    // RFC 7118 5.2.2: of WSS, too, a URI says ws.
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

  test('is not called any more when its page was closed', async () => {
    const { user, phone } = await openPhone('jssip', protocol);
    expect(await phone.register()).toStartWith('SIP/2.0 200 ');
    expect(await bindings(user)).toContain('transport=ws');
    await phone.close();
    await sidecar.process.line(new RegExp(`"${user.user}".*connection lost, bindings removed`), DEADLINE_MS);
    expect(await bindings(user)).toBeUndefined();
  });
});

test('JsSIP says why it is refused', async () => {
  const { user, phone } = await openPhone('jssip', 'ws', 'wrong');
  expect(await phone.register()).toStartWith('SIP/2.0 403 ');
  await phone.shows('refused: 403 Forbidden');
  expect(await bindings(user)).toBeUndefined();
  await phone.close();
});

test('SIP.js registers over wss, again when asked, and unregisters', async () => {
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
