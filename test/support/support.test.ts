import { beforeAll, describe, expect, test } from 'bun:test';
import { createDecipheriv, createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { join } from 'node:path';
import type { RowDataPacket } from 'mysql2/promise';
import { within } from './deadline.ts';
import { type Mariadb, openDatabase } from './mariadb.ts';
import { freePort, waitForPort } from './net.ts';
import { spawnProcess } from './process.ts';
import { sharedRedis, startRedis } from './redis.ts';
import { insertAccount, insertClient, insertSubscription } from './schema.ts';

describe('ports', () => {
  test('a free port can be taken by TCP and UDP at once', async () => {
    const port = await freePort();
    const tcp = Bun.listen({ hostname: '127.0.0.1', port, socket: { data() {} } });
    const udp = createSocket('udp4');
    const bound = Promise.withResolvers<void>();
    udp.once('error', bound.reject);
    udp.bind(port, '127.0.0.1', bound.resolve);
    await bound.promise;
    await waitForPort('127.0.0.1', port, 1000);
    tcp.stop(true);
    udp.close();
  });

  test('no port is given twice, by this process or another one beside it', async () => {
    const own = await Promise.all(Array.from({ length: 300 }, freePort));
    const script = `import { freePort } from ${JSON.stringify(join(import.meta.dir, 'net.ts'))};
      console.log(JSON.stringify(await Promise.all(Array.from({ length: 300 }, freePort))));`;
    const other = spawnProcess(process.execPath, ['-e', script]);
    await other.exited;
    const all = [...own, ...JSON.parse(other.stdout.join(''))];
    expect(all).toHaveLength(600);
    expect(new Set(all).size).toBe(600);
  });

  test('waiting where nothing listens says so in time', async () => {
    const port = await freePort();
    await expect(waitForPort('127.0.0.1', port, 50)).rejects.toThrow(`127.0.0.1:${port}`);
  });
});

describe('processes', () => {
  test('sees nothing of our environment but PATH, HOME and what it is given', async () => {
    const { exited, stdout } = spawnProcess('env', [], { env: { GIVEN: 'yes' } });
    expect(await exited).toEqual({ code: 0, signal: null });
    const names = stdout.map((line) => line.split('=')[0]).sort();
    expect(names.filter((name) => name !== 'HOME')).toEqual(['GIVEN', 'PATH']);
  });

  test('finds a line of either stream, before and after it was printed', async () => {
    const shell = spawnProcess('sh', ['-c', 'echo port 1234; printf "late words" >&2']);
    expect((await shell.line(/port (\d+)/, 5000))[1]).toBe('1234');
    await shell.exited;
    expect((await shell.line(/late (\w+)/, 5000))[1]).toBe('words');
    await expect(shell.line(/never/, 5000)).rejects.toThrow('late words');
  });

  test('a program that is not there is an error', () => {
    expect(() => spawnProcess('/no/such/program', [])).toThrow('/no/such/program');
  });
});

describe('Redis', () => {
  test('the shared one keeps what it is given', async () => {
    const { client } = await sharedRedis();
    const key = `support:${crypto.randomUUID()}`;
    await client.set(key, 'value', 'EX', 60);
    expect(await client.get(key)).toBe('value');
  });

  test('one of our own asks for its password, stops, and comes back empty on the same port', async () => {
    const server = await startRedis({ password: 'open sesame' });
    const { client, port, pid } = server;
    expect(await client.set('key', 'value')).toBe('OK');
    const stranger = client.duplicate({ password: 'wrong', retryStrategy: null });
    stranger.on('error', () => {});
    await expect(stranger.get('key')).rejects.toThrow();
    await server.stop();
    await expect(waitForPort('127.0.0.1', port, 50)).rejects.toThrow();
    await server.start();
    expect(server.pid).not.toBe(pid);
    expect(await client.get('key')).toBeNull();
    stranger.disconnect();
  });

  test('a frozen one keeps everyone waiting', async () => {
    const server = await startRedis();
    await server.kill('SIGSTOP');
    const asked = server.client.ping();
    await expect(within(asked, 100, 'PONG')).rejects.toThrow('PONG');
    await server.kill('SIGCONT');
    expect(await asked).toBe('PONG');
    await server.kill('SIGKILL');
    await expect(waitForPort(server.host, server.port, 50)).rejects.toThrow();
  });
});

describe('MariaDB', () => {
  const secret = 'encryption secret';
  let mariadb: Mariadb;
  beforeAll(async () => {
    mariadb = await openDatabase();
  });

  test.each([
    { algorithm: 'aes-256-cbc', legacy: false },
    { algorithm: 'aes-256-ctr', legacy: true },
  ])('a seeded client has its password under $algorithm', async ({ algorithm, legacy }) => {
    const accountSid = await insertAccount(mariadb, { realm: `${crypto.randomUUID()}.example.com` });
    await insertClient(mariadb, { accountSid, username: 'john', password: 'pässword', secret, legacy });
    const [rows] = await mariadb.pool.query<RowDataPacket[]>('SELECT * FROM clients WHERE account_sid = ?', [
      accountSid,
    ]);
    expect(rows).toMatchObject([{ username: 'john', is_active: 1, allow_direct_user_calling: 1 }]);
    const { iv, content } = JSON.parse(rows[0]?.password);
    const key = createHash('sha256').update(secret).digest('base64').slice(0, 32);
    const decipher = createDecipheriv(algorithm, key, Buffer.from(iv, 'hex'));
    expect(decipher.update(content, 'hex', 'utf8') + decipher.final('utf8')).toBe('pässword');
  });

  test('an account has its webhook, and subscriptions end when they were told to', async () => {
    const realm = `${crypto.randomUUID()}.example.com`;
    const webhook = { url: 'http://127.0.0.1/auth', username: 'hook', password: 'of the webhook' };
    const accountSid = await insertAccount(mariadb, { realm, isActive: false, webhook, deviceToCallRatio: 7 });
    const day = 86_400_000;
    await insertSubscription(mariadb, { accountSid, voiceCallSessions: 1, endDate: new Date(Date.now() - day) });
    await insertSubscription(mariadb, {
      accountSid,
      voiceCallSessions: 2,
      devices: 3,
      endDate: new Date(Date.now() + day),
    });
    const [accounts] = await mariadb.pool.query<RowDataPacket[]>(
      'SELECT * FROM accounts JOIN webhooks ON registration_hook_sid = webhook_sid WHERE sip_realm = ?',
      [realm],
    );
    expect(accounts).toMatchObject([{ is_active: 0, device_to_call_ratio: 7, method: 'POST', ...webhook }]);
    const [products] = await mariadb.pool.query<RowDataPacket[]>(
      `SELECT category, quantity FROM account_subscriptions JOIN account_products USING (account_subscription_sid)
       JOIN products USING (product_sid) WHERE account_sid = ? AND effective_end_date > NOW() ORDER BY quantity`,
      [accountSid],
    );
    expect<unknown>(products).toEqual([
      { category: 'voice_call_session', quantity: 2 },
      { category: 'device', quantity: 3 },
    ]);
  });

  test('it can be frozen, stopped and started without losing a row', async () => {
    if (!mariadb.own) {
      await expect(mariadb.pause()).rejects.toThrow('not ours');
      return;
    }
    const realm = `${crypto.randomUUID()}.example.com`;
    await insertAccount(mariadb, { realm });
    await mariadb.pause();
    const asked = mariadb.pool.query('SELECT 1');
    try {
      await expect(within(asked, 100, 'an answer')).rejects.toThrow('an answer');
    } finally {
      mariadb.resume();
    }
    await asked;
    await mariadb.stop();
    try {
      await expect(mariadb.pool.query('SELECT 1')).rejects.toThrow();
    } finally {
      await mariadb.start();
    }
    const [rows] = await mariadb.pool.query<RowDataPacket[]>('SELECT 1 FROM accounts WHERE sip_realm = ?', [realm]);
    expect(rows).toHaveLength(1);
  });
});
