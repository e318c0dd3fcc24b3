import { describe, expect, test } from 'bun:test';
import { requestOnce } from '../../src/admin/client.ts';
import { within } from '../support/deadline.ts';
import { eventually } from '../support/eventually.ts';
import { type Mariadb, openDatabase } from '../support/mariadb.ts';
import { MysqlProxy } from '../support/mysql-proxy.ts';
import { headerOf, registerOnce } from '../support/phone.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { insertAccount, insertClient } from '../support/schema.ts';
import { checkIn } from './health.ts';
import { cli, ENCRYPTION_SECRET, fileWith, outsideStores, type RunningSidecar, startEmbedded } from './sidecar.ts';

const REALM = 'faults.example.com';
const ALICE = { user: 'alice', password: 'wonderland', realm: REALM };
const QUICK = { CHECK_EXPIRES_INTERVAL: '200', EXPIRES_INTERVAL: '60000', JAMBONES_REGBOT_LEASE_SECONDS: '5' };

async function start(redis: RedisServer, env: Readonly<Record<string, string>> = {}, mysql?: Mariadb) {
  const database = mysql ?? (await openDatabase());
  const accountSid = await insertAccount(database, { realm: REALM });
  await insertClient(database, { accountSid, username: 'alice', password: 'wonderland', secret: ENCRYPTION_SECRET });
  return startEmbedded({ env: { ...outsideStores(redis, database), ...QUICK, ...env } });
}

async function registers(sidecar: RunningSidecar): Promise<void> {
  const registered = async () => (await registerOnce(sidecar.sip, ALICE)).status === 200 || undefined;
  await eventually('registered', registered);
}

async function ends({ process }: RunningSidecar): Promise<void> {
  process.kill('SIGTERM');
  expect((await within(process.exited, 20_000, 'the end of the sidecar')).code).toBe(0);
}

describe('Redis', () => {
  test.each([
    ['default:active-fs', 'FS', 'removal of silent feature servers failed'],
    ['default:active-rtp', 'RTP', 'removal of silent rtp servers failed'],
  ] as const)('with a key %s of the wrong type is survived, from the start on', async (key, kind, line) => {
    const redis = await startRedis();
    await redis.client.set(key, 'x');
    const sidecar = await start(redis);
    await sidecar.process.line(new RegExp(line), 20_000);
    expect(await checkIn(sidecar, kind)).toBe('SIP/2.0 503');
    expect(await checkIn(sidecar, kind === 'FS' ? 'RTP' : 'FS')).toBe('SIP/2.0 200');
    await registers(sidecar);
    expect((await cli(sidecar, 'status')).code).toBe(0);
    await redis.client.del(key);
    expect(await checkIn(sidecar, kind)).toBe('SIP/2.0 200');
    // Repetitions are at debug.
    const errors = sidecar.process.lines.filter((each) => each.includes('"level":50') && each.includes(line));
    expect(errors).toHaveLength(1);
    await ends(sidecar);
  });

  test('with a lease of the wrong type is survived, and the lease is taken afterwards', async () => {
    const redis = await startRedis();
    await redis.client.hset('default:regbot-token', 'a', 'b');
    const sidecar = await start(redis);
    await registers(sidecar);
    const leading = async () => (await requestOnce('trunk-list', {}, sidecar)).leading;
    expect(await leading()).toBe(false);
    await redis.client.del('default:regbot-token');
    await eventually('leading', async () => (await leading()) || undefined);
    await redis.client.del('default:regbot-token');
    await redis.client.hset('default:regbot-token', 'a', 'b');
    await eventually('not leading', async () => !(await leading()) || undefined);
    await ends(sidecar);
  });

  test('that denies us our keys is survived, an end meanwhile too', async () => {
    const redis = await startRedis();
    const rights = (...rules: string[]) =>
      redis.client.call('ACL', 'SETUSER', 'sidecar', 'reset', 'on', '>password of Redis', '+@all', ...rules);
    await rights('~*');
    const user = { JAMBONES_REDIS_USERNAME: 'sidecar', JAMBONES_REDIS_PASSWORD: 'password of Redis' };
    const sidecar = await start(redis, user);
    await registers(sidecar);
    await rights('~other:*');
    const refused = await registerOnce(sidecar.sip, ALICE);
    expect(refused.status).toBe(503);
    expect(headerOf(refused, 'Retry-After')).toBe('5');
    expect(await checkIn(sidecar, 'FS')).toBe('SIP/2.0 503');
    expect((await cli(sidecar, 'fs', 'list')).stderr).toContain('NOPERM');
    await rights('~*');
    await registers(sidecar);
    expect(await checkIn(sidecar, 'FS')).toBe('SIP/2.0 200');
    await rights('~other:*');
    await ends(sidecar);
  });

  test('that has too many clients is survived', async () => {
    const redis = await startRedis();
    const sidecar = await start(redis);
    await registers(sidecar);
    await redis.client.config('SET', 'maxclients', '1');
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    const refused = async () => (await registerOnce(sidecar.sip, ALICE)).status === 503 || undefined;
    await eventually('refused', refused);
    await sidecar.process.line(/"Redis connection"/, 20_000);
    expect(await checkIn(sidecar, 'FS')).toBe('SIP/2.0 503');
    await redis.client.config('SET', 'maxclients', '1000');
    await registers(sidecar);
    await ends(sidecar);
  });
});

test('a Redis that answers more than it is asked is survived', async () => {
  const redis = await startRedis();
  const proxy = await RedisProxy.start(redis);
  const sidecar = await start({ ...redis, ...proxy.address });
  await registers(sidecar);
  proxy.fault = { answer: '$-1\r\n$-1', to: 'commands' };
  await sidecar.process.line(/unexpected reply of Redis/, 20_000);
  expect((await registerOnce(sidecar.sip, ALICE)).status).toBe(503);
  proxy.fault = undefined;
  await registers(sidecar);
  await ends(sidecar);
});

test('a MySQL that answers nonsense is survived and does not hold up the end', async () => {
  const mysql = await openDatabase();
  const proxy = await MysqlProxy.start(mysql);
  const sidecar = await start(await startRedis(), {}, { ...mysql, ...proxy.address });
  await registers(sidecar);
  // The head of a packet that never ends.
  proxy.nonsense = Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n');
  expect((await registerOnce(sidecar.sip, { ...ALICE, realm: 'unknown.example.com' })).status).toBe(503);
  expect((await registerOnce(sidecar.sip, ALICE)).status).toBe(200);
  await ends(sidecar);
});

test('a provisioning file with a key that is no regular expression is refused at reload, and nothing ends', async () => {
  const good = `[[account]]\nrealm = "${REALM}"\n[[account.client]]\nusername = "alice"\npassword = "wonderland"\n`;
  const path = await fileWith('p.toml', good);
  const sidecar = await startEmbedded({ args: ['--provision', path] });
  await Bun.write(path, '"a(b" = 1');
  sidecar.process.kill('SIGHUP');
  await sidecar.process.line(/p\.toml:1: \\"a\(b\\" is not known here.*the old state stays/, 20_000);
  await registers(sidecar);
  await ends(sidecar);
});
