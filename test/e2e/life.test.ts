import { describe, expect, test } from 'bun:test';
import { startEdge } from '../../src/edge/index.ts';
import { sidecarBinary } from '../support/binary.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { RecordingLogger } from '../support/logger.ts';
import { type Mariadb, openDatabase } from '../support/mariadb.ts';
import { freePort } from '../support/net.ts';
import { spawnProcess } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';
import { insertAccount, insertClient } from '../support/schema.ts';
import { registerOnce, SipPhone } from '../support/sip-phone.ts';
import { fileWith, outsideStores, startEmbedded } from './sidecar.ts';

const ACCOUNT = `
[[account]]
realm = "life.example.com"
[[account.client]]
username = "alice"
password = "wonderland"
`;
const ALICE = { user: 'alice', password: 'wonderland', realm: 'life.example.com' };

/** Each process has a working directory of its own, and its admin socket there. */
const OWN_SOCKET = { SBC_SOCKET_PATH: 'admin.sock' };

async function run(args: string[], env: Record<string, string> = {}) {
  const process = spawnProcess(await sidecarBinary(), args, {
    env: { ...OWN_SOCKET, ...env },
    cwd: temporaryDirectory('run'),
  });
  const { code } = await within(process.exited, 30_000, 'end of the command');
  return { code, stdout: process.stdout.join('\n'), stderr: process.stderr.join('\n') };
}

describe('the command line', () => {
  test('--version and --help answer at every level', async () => {
    expect(await run(['--version'])).toEqual({ code: 0, stdout: '0.1.0', stderr: '' });
    expect(await run(['serve', '--version'])).toEqual({ code: 0, stdout: '0.1.0', stderr: '' });
    expect((await run(['--help'])).stdout).toContain('serve');
    const help = await run(['serve', '--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('--embedded');
    // Colours are for terminals.
    expect(help.stdout).not.toContain('\x1b');
  });

  test.each([[['--bogus']], [['bogus']], [[]], [['serve', '--bogus']], [['serve', 'extra']], [['serve', '--sip']]])(
    '%p is an error with the usage on stderr',
    async (args) => {
      const { code, stdout, stderr } = await run(args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain('USAGE');
    },
  );

  test('serve without its variables names them all', async () => {
    const { code, stderr } = await run(['serve']);
    expect(code).toBe(2);
    for (const name of ['DRACHTIO_HOST', 'JAMBONES_REDIS_HOST', 'JAMBONES_MYSQL_HOST', 'ENCRYPTION_SECRET'])
      expect(stderr).toContain(`${name} `);
  });

  test('serve --check only checks', async () => {
    expect(await run(['serve', '--embedded', '--check'])).toMatchObject({ code: 0, stdout: 'configuration is valid' });
    const bad = await fileWith('bad.toml', '[[account]]\nrealm = 5');
    const { code, stderr } = await run(['serve', '--embedded', '--check', '--provision', bad]);
    expect(code).toBe(2);
    expect(stderr).toContain(`${bad}:2: account[1].realm`);
  });

  test('serve --check advises the index that MySQL lacks', async () => {
    const mysql = await openDatabase();
    const env = outsideStores(await startRedis(), mysql, 's');
    const { code, stdout } = await run(['serve', '--embedded', '--check'], env);
    expect(code).toBe(0);
    const statement = /CREATE INDEX .*;/.exec(stdout)?.[0];
    expect(statement).toBe('CREATE INDEX clients_account_sid_username ON clients (account_sid, username);');
    await mysql.pool.query(statement ?? '');
    expect((await run(['serve', '--embedded', '--check'], env)).stdout).toBe('configuration is valid');
  });

  test('a provisioning file that is wrong and a port that is taken say so', async () => {
    const bad = await fileWith('bad.toml', 'x = 1');
    const wrong = await run(['serve', '--embedded', '--provision', bad]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toBe(`${bad}:1: x is not known here`);
    const { sip } = await startEmbedded({});
    const taken = await run(['serve', '--embedded', '--sip', `udp/${sip.host}:${sip.port}`]);
    expect(taken.code).toBe(1);
    expect(taken.stderr).toContain(`${sip.host}:${sip.port}`);
    expect(taken.stderr).not.toContain('    at ');
    // Connections that are open already do not keep it alive.
    const outside = outsideStores(await startRedis(), await openDatabase(), 's');
    expect((await run(['serve', '--embedded', '--sip', `udp/${sip.host}:${sip.port}`], outside)).code).toBe(1);
  });
});

describe('the embedded sidecar', () => {
  test('says in its banner what a newcomer needs, and that is true', async () => {
    const { process, sip, stop } = await startEmbedded({});
    const [, realm = '', password = ''] = await process.line(/sip:demo@(\S+) {2}password (\S+)/, 30_000);
    expect(process.stdout.join('\n')).toContain(`udp/${sip.host}:${sip.port}  tcp/${sip.host}:${sip.port}`);
    expect((await registerOnce(sip, { user: 'demo', password, realm })).status).toBe(200);
    expect(await stop()).toBe(0);
  });

  test('keeps a binding through kill -9 straight after the 200', async () => {
    const args = ['--data', temporaryDirectory('data'), '--provision', await fileWith('p.toml', ACCOUNT)];
    const first = await startEmbedded({ args });
    const phone = await SipPhone.open(first.sip, ALICE);
    const granted = await phone.register();
    first.process.kill('SIGKILL');
    expect(granted.status).toBe(200);
    await first.process.exited;

    const second = await startEmbedded({ args });
    const listed = await registerOnce(second.sip, ALICE, { contact: null });
    expect(listed.header('Contact')).toContain(phone.contact);
    phone.close();
  });

  test('applies a changed provisioning file on SIGHUP, and keeps the old one when it is bad', async () => {
    const path = await fileWith('p.toml', ACCOUNT);
    const { process, sip } = await startEmbedded({ args: ['--provision', path] });
    expect((await registerOnce(sip, ALICE)).status).toBe(200);

    await Bun.write(path, 'nonsense');
    process.kill('SIGHUP');
    await process.line(/not reloaded, the old state stays/, 30_000);
    expect((await registerOnce(sip, ALICE)).status).toBe(200);

    await Bun.write(path, ACCOUNT.replace('wonderland', 'through the looking-glass'));
    process.kill('SIGHUP');
    await process.line(/provisioning applied again/, 30_000);
    expect((await registerOnce(sip, ALICE)).status).toBe(403);
    expect((await registerOnce(sip, { ...ALICE, password: 'through the looking-glass' })).status).toBe(200);
  });

  test('logs no secret', async () => {
    const args = ['--provision', await fileWith('p.toml', ACCOUNT)];
    const { process, sip, stop } = await startEmbedded({ args, env: { JAMBONES_LOGLEVEL: 'trace' } });
    const phone = await SipPhone.open(sip, ALICE);
    await phone.register();
    await registerOnce(sip, { ...ALICE, password: 'wrong' });
    await stop();
    const log = process.lines.join('\n');
    expect(log).toContain('REGISTER refused');
    for (const secret of ['wonderland', phone.lastResponse, 'Digest ']) expect(log).not.toContain(secret);
    phone.close();
  });
});

describe('the sidecar beside a drachtio server, Redis and MySQL', () => {
  /** Our edge stands in the drachtio server's place, as a server that the binary has to be told about. */
  async function startProduction(more: Record<string, string> = {}) {
    const [redis, mysql] = await Promise.all([startRedis({ password: 'redis-secret' }), openDatabase()]);
    const controlPort = await freePort();
    const listen = [{ proto: 'udp' as const, host: '127.0.0.1', port: 0 }];
    const edge = { listen, secret: 'cymru', controlPort, logger: new RecordingLogger() };
    const env = {
      ...outsideStores(redis, mysql, 's'),
      JAMBONES_REDIS_PASSWORD: 'redis-secret',
      DRACHTIO_HOST: '127.0.0.1',
      DRACHTIO_PORT: String(controlPort),
      DRACHTIO_SECRET: 'cymru',
      JAMBONES_TIME_SERIES_HOST: 'none',
      ...more,
    };
    const start = async () => {
      const cwd = temporaryDirectory('serve');
      const process = spawnProcess(await sidecarBinary(), ['serve'], { env: { ...OWN_SOCKET, ...env }, cwd });
      onCleanup(() => process.kill('SIGKILL'));
      return process;
    };
    const openEdge = async () => {
      const running = await startEdge(edge);
      onCleanup(() => running.stop());
      const port = Number(/udp\/127\.0\.0\.1:(\d+)/.exec(running.hostports)?.[1]);
      return { running, sip: { host: '127.0.0.1', port } };
    };
    return { redis, mysql, start, openEdge };
  }

  async function user(mysql: Mariadb, realm: string) {
    const accountSid = await insertAccount(mysql, { realm });
    await insertClient(mysql, { accountSid, username: 'alice', password: 'wonderland', secret: 's' });
    return { user: 'alice', password: 'wonderland', realm };
  }

  test('waits for what is not there yet, then serves; no outage ends it', async () => {
    const { redis, mysql, start, openEdge } = await startProduction({ JAMBONES_MYSQL_REFRESH_TTL: '0' });
    const alice = await user(mysql, 'patient.example.com');
    await redis.stop();
    const sidecar = await start();
    await sidecar.line(/waiting for Redis/, 30_000);
    await redis.start();
    await sidecar.line(/drachtio connection/, 30_000);
    const { running, sip } = await openEdge();
    await sidecar.line(/"ready"/, 30_000);
    expect((await registerOnce(sip, alice)).status).toBe(200);
    expect(JSON.parse((await redis.client.get('user:alice@patient.example.com')) ?? '{}')).toMatchObject({
      protocol: 'udp',
      sbcAddress: running.hostports,
    });

    await redis.stop();
    const refused = await registerOnce(sip, alice);
    expect(refused.status).toBe(503);
    expect(refused.header('Retry-After')).toBe('5');
    await redis.start();
    await sidecar.line(/Redis connected/, 30_000, sidecar.lines.length);
    expect((await registerOnce(sip, alice)).status).toBe(200);

    // A Redis that hangs is as bad as one that is gone, and noticed in time for the phone.
    await redis.kill('SIGSTOP');
    expect((await registerOnce(sip, alice)).status).toBe(503);
    await redis.kill('SIGCONT');
    await sidecar.line(/Redis connected/, 30_000, sidecar.lines.length);
    expect((await registerOnce(sip, alice)).status).toBe(200);

    if (mysql.own) {
      await mysql.stop();
      try {
        // Known rows serve on when they are no longer current, unknown names cannot be looked up.
        expect((await registerOnce(sip, alice)).status).toBe(200);
        expect((await registerOnce(sip, { ...alice, realm: 'other.example.com' })).status).toBe(503);
      } finally {
        await mysql.start();
      }
    }

    sidecar.kill('SIGTERM');
    expect((await sidecar.exited).code).toBe(0);
    const log = sidecar.lines.join('\n');
    for (const secret of ['redis-secret', 'wonderland', 'cymru']) expect(log).not.toContain(secret);
  });

  test('finds a drachtio server that restarted', async () => {
    const { mysql, start, openEdge } = await startProduction();
    const alice = await user(mysql, 'restart.example.com');
    const before = await openEdge();
    const sidecar = await start();
    await sidecar.line(/"ready"/, 30_000);
    expect((await registerOnce(before.sip, alice)).status).toBe(200);
    await before.running.stop();
    await sidecar.line(/drachtio connection closed/, 30_000);
    const seen = sidecar.lines.length;
    const after = await openEdge();
    await sidecar.line(/drachtio connected/, 30_000, seen);
    expect((await registerOnce(after.sip, alice)).status).toBe(200);
    sidecar.kill('SIGTERM');
    expect((await sidecar.exited).code).toBe(0);
  });

  test('says why when the secret is wrong, and asks again slowly', async () => {
    const { start, openEdge } = await startProduction({ DRACHTIO_SECRET: 'wrong' });
    await openEdge();
    const sidecar = await start();
    await sidecar.line(/refused our secret/, 30_000);
    sidecar.kill('SIGTERM');
    expect((await sidecar.exited).code).toBe(0);
    expect(sidecar.lines.filter((line) => line.includes('refused our secret'))).toHaveLength(1);
    expect(sidecar.lines.join('\n')).not.toContain('"wrong"');
  });

  test('a second signal ends it at once', async () => {
    const { start } = await startProduction();
    const sidecar = await start();
    await sidecar.line(/drachtio connection/, 30_000);
    sidecar.kill('SIGTERM');
    sidecar.kill('SIGTERM');
    expect([0, 1]).toContain((await sidecar.exited).code ?? -1);
  });
});
