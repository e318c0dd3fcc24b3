import { describe, expect, test } from 'bun:test';
import { cliDocs } from '../../src/commands/docs.ts';
import { cliSchema } from '../../src/commands/json-schema.ts';
import { manPage } from '../../src/commands/man.ts';
import { root } from '../../src/commands/root.ts';
import { AdminPeer, gatewayList, serverList, statusOf, trunkList, trunkShown } from '../support/admin-peer.ts';
import { type Schema, violations } from '../support/json-schema.ts';
import { spawnProcess } from '../support/process.ts';
import { ended, run } from './cli.ts';

const ROOT = new URL('../../', import.meta.url);
const MAN = new URL('man/sbc-sip-sidecar.1', ROOT).pathname;
const page = (path: string) => Bun.file(new URL(path, ROOT)).text();

test('docs/cli.md is up to date, and has an example of every command', async () => {
  const docs = await cliDocs(root);
  expect(await page('docs/cli.md')).toBe(docs);
  for (const [, command] of docs.matchAll(/^## (.+)$/gm)) expect(docs).toContain(`\n$ sbc-sip-sidecar ${command}`);
});

describe('the man page', () => {
  test('is up to date and ASCII, and has every command', async () => {
    const text = await manPage(root);
    expect(await page('man/sbc-sip-sidecar.1')).toBe(text);
    expect(text).toMatch(/^[\n -~]*$/);
    const commands = (await cliDocs(root)).matchAll(/^## (.+)$/gm);
    for (const [, command] of commands) expect(text).toContain(`\n.SS ${command}\n`);
  });

  test('is shown by man without a warning', async () => {
    const env = { MANWIDTH: '80', LC_ALL: 'C' };
    const { code, stdout, stderr } = await ended(spawnProcess('man', ['--warnings', '-l', MAN], { env }));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('sbc-sip-sidecar - SIP registrar');
    expect(stdout).toContain('--timeout <duration>');
  });
});

describe('docs/cli.schema.json', () => {
  const ANSWERS: Readonly<Record<string, object>> = {
    status: statusOf(),
    'fs list': serverList({}, { server: '10.0.0.9', status: 'orphaned', calls: null, lastCheckIn: null }),
    'fs drained': { success: true, drained: [] },
    'fs drain x': { success: true, action: 'drain', server: 'x', drained: ['x'] },
    'trunk list': {
      ...trunkList({ port: 5060 }),
      skipped: [{ carrier: 'A', carrierSid: 'c', gateway: null, why: 'x' }],
    },
    'trunk show x': trunkShown({}),
    'gateway list': gatewayList({ rttMs: null }),
    'ban list': { success: true, bans: [{ source: '192.0.2.1', until: 5 }], now: 1 },
    'log level': { success: true, key: 'logLevel', value: 'info' },
    config: { success: true, variables: [{ name: 'A', value: '', from: 'default', secret: true }] },
    list: { success: true, config: { logLevel: 'info' } },
    version: {},
    'help fs': {},
  };

  async function schemas(): Promise<Map<string, Schema>> {
    return new Map(Object.entries(JSON.parse(await cliSchema(root)).$defs));
  }

  test('is up to date', async () => {
    expect(await page('docs/cli.schema.json')).toBe(await cliSchema(root));
  });

  test.each(Object.entries(ANSWERS))('describes what %s prints', async (line, answer) => {
    const peer = await AdminPeer.start(() => answer);
    const { code, stdout } = await run(peer.path, [...line.split(' '), '--json']);
    expect(code).toBe(0);
    const defined = await schemas();
    const schema = defined.get(line) ?? defined.get(line.replace(/ \w+$/, ''));
    expect(schema && violations(JSON.parse(stdout), schema)).toEqual([]);
  });

  const BINDING = { aor: 'a@x', contact: 'sip:a@y', transport: null, source: null, userAgent: null, expiresAt: 5 };
  const EVENT = { id: 1, at: 5, type: 'registered', aor: 'a@x' };

  test.each([
    ['reg list', { bindings: [BINDING], now: 1 }],
    ['reg count --by realm', { bindings: [BINDING], now: 1 }],
    ['events', { dropped: 3, events: [EVENT] }],
  ])('describes what %s prints', async (line, part) => {
    const lines = [
      { success: true, more: true, ...part },
      { success: true, more: false },
    ];
    const peer = await AdminPeer.start(() => lines.map((each) => `${JSON.stringify(each)}\n`).join(''));
    const { stdout } = await run(peer.path, [...line.split(' '), '--json']);
    const schema = (await schemas()).get(line.replace(/ --.*$/, ''));
    const documents = line === 'events' ? stdout.split('\n').slice(0, 2) : [stdout];
    for (const document of documents) expect(schema && violations(JSON.parse(document), schema)).toEqual([]);
  });

  test.each([['fs bogus'], ['status'], ['serve --bogus']])('describes what %s prints when it fails', async (line) => {
    const { stdout } = await run('/nowhere/admin.sock', [...line.split(' '), '--json']);
    const schema = (await schemas()).get('error');
    expect(schema && violations(JSON.parse(stdout), schema)).toEqual([]);
  });

  test('tells another answer apart', async () => {
    const schema = (await schemas()).get('fs list');
    const wrong = { success: true, servers: [{ server: 5, status: 'gone', calls: '0', lastCheckIn: null }], now: 1 };
    expect(schema && violations(wrong, schema)).toEqual([
      '.drained is missing',
      '.servers.0.serviceUrl is missing',
      '.servers.0.server: number, not string',
      '.servers.0.status: none of active,drained,orphaned',
      '.servers.0.calls: none of the schemas',
    ]);
  });
});
