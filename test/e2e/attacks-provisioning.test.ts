import { expect, test } from 'bun:test';
import { CARRIER_PASSWORD } from '../support/carriers.ts';
import { eventually } from '../support/eventually.ts';
import { registerOnce } from '../support/phone.ts';
import { secret } from '../support/secrets.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { Registrar } from '../support/sip-registrar.ts';
import { QUICK, trunksOf } from './outbound.ts';
import { cli, fileWith, startEmbedded } from './sidecar.ts';

// A provisioning file, or rows of the portal, with texts that would add lines to our own requests.

const DEADLINE_MS = 60_000;
/** As it is written in TOML. */
const EVIL = String.raw`evil\r\nX-Evil: 1\r\nX-Rest: `;
const ALICE = { user: 'alice', password: 'wonderland', realm: 'office.test' };

function carrier(name: string, { host, port }: SipPeer, { register = {}, ...more }: Carrier): string {
  const credentials = { username: name, password: CARRIER_PASSWORD, realm: 'registrar.test', ...register };
  const pairs = Object.entries(credentials).map(([key, value]) => `${key} = "${value}"`);
  return [
    '[[carrier]]',
    `name = "${more.name ?? name}"`,
    `register = { ${pairs.join(', ')} }`,
    ...Object.entries(more).flatMap(([key, value]) => (key === 'name' ? [] : [`${key} = "${value}"`])),
    `[[carrier.gateway]]\nhost = "${host}"\nport = ${port}`,
  ].join('\n');
}

interface Carrier {
  readonly register?: Readonly<Record<string, string>>;
  readonly name?: string;
  readonly from_user?: string;
  readonly from_domain?: string;
}

test(
  'line breaks in the strings of carriers get into no request and no list',
  async () => {
    const peer = await SipPeer.start(new Registrar({ password: () => CARRIER_PASSWORD }).script);
    const carriers: [string, Carrier][] = [
      ['a', { name: EVIL }],
      ['b', { register: { username: EVIL } }],
      ['c', { register: { password: secret('a password with line breaks', EVIL) } }],
      ['d', { register: { realm: EVIL } }],
      ['e', { from_user: EVIL }],
      ['f', { from_domain: EVIL }],
      ['sound', {}],
    ];
    const provision = await fileWith(
      'p.toml',
      [
        `[[account]]\nrealm = "${ALICE.realm}"`,
        `[[account.client]]\nusername = "${ALICE.user}"\npassword = "${ALICE.password}"`,
        ...carriers.map(([name, more]) => carrier(name, peer, more)),
      ].join('\n'),
    );
    const sidecar = await startEmbedded({ args: ['--provision', provision], env: QUICK });
    let states: string[] = [];
    const isSettled = async () => {
      states = (await trunksOf(sidecar)).map(({ state }) => state);
      return states.length === carriers.length && states.every((state) => /registered|failing/.test(state));
    };
    const probe = async () => (await isSettled()) || undefined;
    await eventually('an end of every attempt', probe, { describe: () => states });
    expect(peer.requests.length).toBeGreaterThan(0);
    for (const { text } of peer.requests) expect(text).not.toMatch(/^X-/m);
    const { stdout } = await cli(sidecar, 'trunk', 'list');
    expect(stdout).toContain('evil');
    expect(stdout).not.toMatch(/^X-/m);
    expect((await registerOnce(sidecar.sip, ALICE)).status).toBe(200);
    expect(await sidecar.stop()).toBe(0);
  },
  DEADLINE_MS,
);

test(
  'line breaks in the strings of a webhook get into no request',
  async () => {
    const seen: { readonly url: string; readonly names: string[] }[] = [];
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch({ url, headers }) {
        seen.push({ url, names: [...headers.keys()] });
        return Response.json({ status: 'ok' });
      },
    });
    const url = `http://127.0.0.1:${server.port}/auth`;
    const strings = [
      `url = "${url}${EVIL}"`,
      `url = "${url}"\nusername = "${EVIL}"\npassword = "any-password"`,
      `url = "${url}"\nusername = "any"\npassword = "${EVIL}"`,
      `url = "${url}"\nsecret = "${EVIL}"`,
      `url = "${url}"`,
    ];
    const accounts = strings.map((text, i) => `[[account]]\nrealm = "office${i}.test"\n[account.webhook]\n${text}`);
    const sidecar = await startEmbedded({ args: ['--provision', await fileWith('p.toml', accounts.join('\n'))] });
    for (const i of strings.keys()) await registerOnce(sidecar.sip, { ...ALICE, realm: `office${i}.test` });
    expect(seen.length).toBeGreaterThan(0);
    for (const { names } of seen) expect(names.filter((name) => /evil|rest/.test(name))).toEqual([]);
    expect((await registerOnce(sidecar.sip, { ...ALICE, realm: `office${strings.length - 1}.test` })).status).toBe(200);
    expect(await sidecar.stop()).toBe(0);
  },
  DEADLINE_MS,
);
