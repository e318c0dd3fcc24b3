import { beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { startBaresip } from '../support/baresip.ts';
import { TestAuthority } from '../support/certificates.ts';
import { within } from '../support/deadline.ts';
import { headerOf, registerOnce, type User } from '../support/phone.ts';
import { secret } from '../support/secrets.ts';
import { type RunningSidecar, startEmbedded } from './sidecar.ts';

// baresip against the compiled binary, with the command from the banner.

const DEADLINE_MS = 30_000;

// Longer than the deadlines in the tests, whose messages say more.
setDefaultTimeout(30_000);

const authority = new TestAuthority();
let sidecar: RunningSidecar;
let demo: User;
let bannerCommand: string;

beforeAll(async () => {
  sidecar = await startEmbedded({
    listen: ['tls'],
    certificate: authority.certificate([], ['127.0.0.1']),
    env: { JAMBONES_CONNECTION_LOST_GRACE_SECONDS: '1', JAMBONES_LOGLEVEL: 'debug' },
  });
  const [, realm = '', password = ''] = await sidecar.process.line(/sip:demo@(\S+) {2}password (\S+)/, DEADLINE_MS);
  demo = { user: 'demo', password: secret('the demo password', password), realm };
  const [, command = ''] = await sidecar.process.line(/baresip -e '(.+)'$/, DEADLINE_MS);
  bannerCommand = command;
}, 60_000);

function commandFor(protocol: 'udp' | 'tcp' | 'tls'): string {
  const { host, port } = sidecar.listener(protocol);
  return bannerCommand.replace(/outbound="[^"]*"/, `outbound="sip:${host}:${port};transport=${protocol}"`);
}

async function registered(protocol: 'udp' | 'tcp' | 'tls') {
  const baresip = await startBaresip({ command: commandFor(protocol), caFile: authority.caFile });
  const said = new RegExp(`demo@${demo.realm}: \\{0/${protocol.toUpperCase()}/v4\\} 200 OK .*\\[1 binding\\]`);
  await baresip.line(said, DEADLINE_MS);
  return baresip;
}

async function bindings(): Promise<string | undefined> {
  const answer = await registerOnce(sidecar.sip, demo, { contact: null });
  expect(answer.status).toBe(200);
  return headerOf(answer, 'Contact');
}

test('the command in the banner is for UDP', () => {
  expect(commandFor('udp')).toBe(bannerCommand);
});

test.each(['udp', 'tcp', 'tls'] as const)(
  'baresip registers over %s, and un-registers when it ends',
  async (protocol) => {
    const baresip = await registered(protocol);
    const contact = await bindings();
    expect(contact).toMatch(/^<sip:demo[^,>]*@127\.0\.0\.1:\d+[^,>]*>.*\+sip\.instance="<urn:uuid:/);
    expect(contact?.includes(`transport=${protocol}`)).toBe(protocol !== 'udp');
    baresip.kill('SIGTERM');
    await within(baresip.exited, DEADLINE_MS, 'end of baresip');
    expect(await bindings()).toBeUndefined();
  },
);

test.each(['tcp', 'tls'] as const)('baresip loses its binding when it is killed: %s', async (protocol) => {
  const seen = sidecar.process.lines.length;
  const baresip = await registered(protocol);
  expect(await bindings()).toContain('demo');
  baresip.kill('SIGKILL');
  await sidecar.process.line(/"demo@.*connection lost, bindings removed/, DEADLINE_MS, seen);
  expect(await bindings()).toBeUndefined();
});
