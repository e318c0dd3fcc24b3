import { describe, expect, test } from 'bun:test';
import type { Redis } from 'ioredis';
import { bindingToJson } from '../../src/adapters/binding-json.ts';
import { bindingOf } from '../contract/registrations.ts';
import { sidecarBinary } from '../support/binary.ts';
import { onCleanup } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { eventually } from '../support/eventually.ts';
import { Phone } from '../support/phone.ts';
import { type SpawnedProcess, spawnProcess } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';
import { cli, fileWith, type RunningSidecar, startEmbedded } from './sidecar.ts';

const REALM = 'sip.example.com';
const PASSWORD = 'wonderland';
const DEADLINE_MS = 60_000;

async function accounts(): Promise<string[]> {
  const client = `[[account.client]]\nusername = "alice"\npassword = "${PASSWORD}"\n`;
  return ['--provision', await fileWith('accounts.toml', `[[account]]\nrealm = "${REALM}"\n${client}`)];
}

async function registered(sidecar: RunningSidecar): Promise<Phone> {
  const phone = await Phone.open(sidecar.sip, { user: 'alice', password: PASSWORD, realm: REALM }, 'udp');
  expect((await phone.register({ headers: { 'User-Agent': 'Test Phone 1' } })).status).toBe(200);
  return phone;
}

async function follow({ socketPath }: RunningSidecar, ...args: string[]): Promise<SpawnedProcess> {
  const command = spawnProcess(await sidecarBinary(), ['events', ...args], { env: { SBC_SOCKET_PATH: socketPath } });
  onCleanup(() => command.kill('SIGKILL'));
  return command;
}

async function codeOf(command: SpawnedProcess): Promise<number | null> {
  return (await within(command.exited, DEADLINE_MS, 'end of the command')).code;
}

async function jsonOf(sidecar: RunningSidecar, ...args: string[]) {
  return JSON.parse((await cli(sidecar, ...args, '--json')).stdout);
}

describe.each([
  ['SQLite', async () => ({})],
  ['Redis', async () => ({ JAMBONES_REDIS_HOST: '127.0.0.1', JAMBONES_REDIS_PORT: String((await startRedis()).port) })],
])('a phone whose bindings are in %s', (_, env) => {
  test(
    'is listed, shown, counted and removed; the removal is an event',
    async () => {
      const sidecar = await startEmbedded({ args: await accounts(), env: await env() });
      using phone = await registered(sidecar);
      const aor = `alice@${REALM}`;
      const source = expect.stringMatching(/^127\.0\.0\.1:\d+$/);
      const row = { aor, contact: phone.contact, transport: 'udp', source, userAgent: 'Test Phone 1' };
      expect(await jsonOf(sidecar, 'reg', 'list')).toMatchObject({ success: true, bindings: [row] });
      for (const flags of [
        ['--aor', 'ALICE@'],
        ['--realm', 'example.com'],
        ['--source', '127.0.0.1'],
        ['--transport', 'udp'],
      ])
        expect((await jsonOf(sidecar, 'reg', 'list', ...flags)).bindings).toHaveLength(1);
      for (const flags of [
        ['--aor', 'alicia'],
        ['--realm', 'other.com'],
        ['--source', '127.0.0.2'],
        ['--transport', 'tcp'],
      ])
        expect((await jsonOf(sidecar, 'reg', 'list', ...flags)).bindings).toEqual([]);
      expect((await cli(sidecar, 'reg', 'list')).stdout).toMatch(/^Registrations:\n {2}AOR .*\n {2}alice@/);
      expect(await jsonOf(sidecar, 'reg', 'show', aor)).toMatchObject({
        bindings: [{ ...row, cseq: 2, directAppCalling: true }],
        account: { realm: REALM, active: true },
        client: { username: 'alice', active: true },
      });
      expect((await cli(sidecar, 'reg', 'count', '--by', 'user-agent')).stdout).toBe(
        '1 binding of 1 AOR\n  USER-AGENT    BINDINGS\n  Test Phone 1         1',
      );
      expect(await jsonOf(sidecar, 'status')).toMatchObject({ registeredAors: 1 });

      expect(await cli(sidecar, 'reg', 'remove', aor, 'sip:other@x')).toMatchObject({ code: 1 });
      expect(await jsonOf(sidecar, 'reg', 'remove', aor)).toMatchObject({ removed: [phone.contact], remaining: 0 });
      expect((await cli(sidecar, 'reg', 'list')).stdout).toBe('No registrations');
      expect(await jsonOf(sidecar, 'status')).toMatchObject({ registeredAors: 0 });
      const events = await follow(sidecar, '--aor', aor, '--type', 'unregistered', '--recent', '1');
      await events.line(/Z {2}unregistered +alice@.* presence=offline .*cause=operator/, DEADLINE_MS);
      events.kill('SIGINT');
      expect(await codeOf(events)).toBe(0);
      expect((await phone.register()).status).toBe(200);
      expect(await sidecar.stop()).toBe(0);
    },
    DEADLINE_MS,
  );
});

test(
  'a phone with a wrong password: what is shown of its AOR says so',
  async () => {
    const sidecar = await startEmbedded({ args: await accounts() });
    const user = { user: 'alice', password: 'wonderland of others', realm: REALM };
    using phone = await Phone.open(sidecar.sip, user, 'udp');
    expect((await phone.register()).status).toBe(403);
    expect(await jsonOf(sidecar, 'reg', 'show', `alice@${REALM}`)).toMatchObject({
      bindings: [],
      client: { username: 'alice', active: true },
      lastRefusal: { reason: 'InvalidCredentials', status: 403, source: expect.stringContaining('127.0.0.1:') },
    });
    const { stdout } = await cli(sidecar, 'reg', 'show', `sip:alice@${REALM}`);
    expect(stdout).toMatch(/^Registered: +no\n\nLast refusal: .* ago\nReason: +InvalidCredentials/m);
    expect(await sidecar.stop()).toBe(0);
  },
  DEADLINE_MS,
);

describe('events', () => {
  test(
    'are followed live, until the sidecar stops: exit 4',
    async () => {
      const sidecar = await startEmbedded({ args: await accounts() });
      const [lines, json] = [await follow(sidecar, '--recent', '500'), await follow(sidecar, '--json')];
      // Both follow once an event reaches them: earlier ones are repeated to the first only.
      await eventually('an event at both', async () => {
        using _ = await registered(sidecar);
        await cli(sidecar, 'reg', 'remove', `alice@${REALM}`);
        const got = [lines, json].every(({ stdout }) => stdout.some((line) => line.includes('unregistered')));
        return got || undefined;
      });
      expect(await sidecar.stop()).toBe(0);
      expect([await codeOf(lines), await codeOf(json)]).toEqual([4, 4]);
      expect(lines.stderr).toEqual(['the sidecar stops']);
      const objects = json.stdout.map((line) => JSON.parse(line));
      expect(objects.at(-1)).toEqual({ success: false, error: 'the sidecar stops' });
      for (const event of objects.slice(0, -1))
        expect(event).toMatchObject({ id: expect.any(Number), at: expect.any(Number), type: expect.any(String) });
    },
    DEADLINE_MS,
  );

  test(
    'go to a Redis stream',
    async () => {
      const redis = await startRedis();
      const env = {
        JAMBONES_REDIS_HOST: redis.host,
        JAMBONES_REDIS_PORT: String(redis.port),
        JAMBONES_EVENTS_STREAM: 'events',
      };
      const sidecar = await startEmbedded({ args: await accounts(), env });
      using _ = await registered(sidecar);
      await cli(sidecar, 'reg', 'remove', `alice@${REALM}`);
      const fields = await eventually('the entry', async () => {
        const entries = await redis.client.xrange('events', '-', '+');
        return entries.map(([, flat]) => pairs(flat)).find(({ type }) => type === 'unregistered');
      });
      expect(fields).toMatchObject({ aor: `alice@${REALM}`, presence: 'offline' });
      expect(fields.sidecar).toEndWith(`/${sidecar.process.pid}`);
      expect(JSON.parse(fields.event ?? '')).toMatchObject({ type: 'unregistered', cause: 'operator' });
      expect(await sidecar.stop()).toBe(0);
    },
    DEADLINE_MS,
  );
});

function pairs(flat: readonly string[]): Record<string, string> {
  return Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? '']] : [])));
}

describe('100 000 bindings', () => {
  const COUNT = 100_000;

  async function fill(redis: Redis): Promise<void> {
    const now = Date.now();
    for (let i = 0; i < COUNT; i += 2000) {
      const commands = redis.pipeline();
      for (let j = i; j < i + 2000; j++) {
        const member = `user:user${j}@${j % 10}.${REALM}`;
        const binding = bindingOf(`sip:user${j}@192.0.2.1`, now);
        commands.set(member, bindingToJson({ binding, rank: 0 }), 'PX', 3_600_000);
        commands.zadd('active-user', binding.expiryTime, member);
      }
      await commands.exec();
    }
  }

  test(
    'are listed once each while phones register; a reader may leave after the first line',
    async () => {
      const redis = await startRedis();
      await fill(redis.client);
      const env = {
        JAMBONES_REDIS_HOST: redis.host,
        JAMBONES_REDIS_PORT: String(redis.port),
        JAMBONES_LOGLEVEL: 'info',
      };
      const sidecar = await startEmbedded({ args: await accounts(), env });
      const binary = await sidecarBinary();
      const listing = (...args: string[]) =>
        spawnProcess(binary, ['reg', 'list', ...args], { env: { SBC_SOCKET_PATH: sidecar.socketPath } });

      const all = listing('--realm', REALM);
      await all.line(/user\d+@/, DEADLINE_MS);
      using _ = await registered(sidecar);
      expect(await codeOf(all)).toBe(0);
      const users = new Set(all.stdout.map((line) => /^ {2}(user\d+)@/.exec(line)?.[1]).filter(Boolean));
      expect(users.size).toBe(COUNT);

      const left = listing();
      await left.line(/user\d+@/, DEADLINE_MS);
      left.abandonStdout();
      expect(await codeOf(left)).toBe(0);
      expect((await jsonOf(sidecar, 'reg', 'list', '--realm', `3.${REALM}`)).bindings).toHaveLength(COUNT / 10);
      expect(await jsonOf(sidecar, 'reg', 'count')).toMatchObject({ bindings: COUNT + 1, aors: COUNT + 1 });
      expect(await jsonOf(sidecar, 'status')).toMatchObject({ registeredAors: COUNT + 1 });
      expect(await sidecar.stop()).toBe(0);
    },
    3 * DEADLINE_MS,
  );
});
