import { describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { sidecarBinary } from '../support/binary.ts';
import { authority } from '../support/certificates.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { startTestDrachtio } from '../support/drachtio/raw-app.ts';
import { InfluxDouble } from '../support/influx-double.ts';
import { openDatabase } from '../support/mariadb.ts';
import { freePort } from '../support/net.ts';
import { spawnProcess } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';
import { fileWith, influxVariables, outsideStores, startEmbedded } from './sidecar.ts';

const DRACHTIO_SECRET = 'cymru am byth';
const REDIS_PASSWORD = 'password of Redis';
const WRONG = 'a wrong guess';
const LISTEN = { SIDECAR_SIP: 'udp/127.0.0.1:0' };

async function check(env: Record<string, string>, args: readonly string[] = []) {
  const cwd = temporaryDirectory('check');
  const command = spawnProcess(await sidecarBinary(), ['serve', '--check', ...args], {
    env: { SBC_SOCKET_PATH: join(cwd, 'admin.sock'), ...LISTEN, ...env },
    cwd,
  });
  const { code } = await within(command.exited, 30_000, 'end of serve --check');
  expect(command.stderr).toEqual([]);
  return { code, lines: command.stdout.map((line) => line.replace(/ +/, ' ')), cwd };
}

function embedded(env: Record<string, string> = {}, args: readonly string[] = []) {
  return check(env, ['--embedded', ...args]);
}

/** Of a web server that answers with a status where InfluxDB takes points, and with another elsewhere. */
function influx(status: number, elsewhere = status): Record<string, string> {
  const double = InfluxDouble.start();
  double.answer = ({ path }) => new Response(null, { status: path.includes('/write') ? status : elsewhere });
  return influxVariables(double);
}

describe('serve --check in embedded mode', () => {
  test('finds nothing wrong in an empty directory, and leaves it empty', async () => {
    const { code, lines, cwd } = await embedded();
    expect(lines).toEqual([
      `ok data directory ${join(cwd, 'sidecar-data')} can be created`,
      'ok udp/127.0.0.1:0 is free to listen on',
      'configuration is valid',
    ]);
    expect(code).toBe(0);
    expect(readdirSync(cwd)).toEqual([]);
  });

  test('tells everything at once that would stop serve', async () => {
    const provision = await fileWith('p.toml', '[[account]]\nrealm = 5\n[[account]]\nname = "x"');
    const data = join(temporaryDirectory('check'), 'data');
    mkdirSync(data);
    chmodSync(data, 0o755);
    const { certFile } = authority.own.certificate(['a.test']);
    const { keyFile } = authority.own.certificate(['b.test']);
    const port = await freePort();
    using _other = await Bun.udpSocket({ hostname: '127.0.0.1', port }).then((socket) => ({
      [Symbol.dispose]: () => socket.close(),
    }));
    const env = { SBC_SOCKET_PATH: '/nonexistent/admin.sock', SIDECAR_TLS_CERT: certFile, SIDECAR_TLS_KEY: keyFile };
    const sip = `udp/127.0.0.1:${port},udp/192.0.2.77:0`;
    const { code, lines } = await embedded(env, ['--provision', provision, '--data', data, '--sip', sip]);
    expect(lines).toEqual([
      'wrong admin socket /nonexistent/admin.sock: there is no directory /nonexistent. Create it (mkdir -p /nonexistent), or set SBC_SOCKET_PATH to another path',
      `wrong key ${keyFile} is not the key of certificate ${certFile}`,
      `wrong ${provision}:2: account[1].realm must be a string`,
      `wrong ${provision}:3: account[2].realm is missing`,
      `wrong ${provision}:4: account[2].name is not known here`,
      expect.stringMatching(/^wrong data directory .* is open to others \(mode 0755\); type chmod 0700 /),
      `wrong udp/127.0.0.1:${port} is in use; find by whom with ss -lunp 'sport = :${port}', or name another with --sip`,
      'wrong udp/192.0.2.77:0 is not an address of this machine; ip address lists those that are',
    ]);
    expect(code).toBe(2);
  });

  test('does not disturb a running sidecar, and tells of it', async () => {
    const data = join(temporaryDirectory('data'), 'data');
    const sidecar = await startEmbedded({ args: ['--data', data] });
    const { pid } = sidecar.process;
    const sip = `udp/127.0.0.1:${sidecar.sip.port}`;
    const args = ['--data', data, '--sip', sip];
    for (let i = 0; i < 3; i++) {
      const { code, lines } = await embedded({ SBC_SOCKET_PATH: sidecar.socketPath }, args);
      expect(lines).toEqual([
        `note admin socket ${sidecar.socketPath} is used by a running sidecar (pid ${pid})`,
        `note data directory ${data} is used by a running sidecar (pid ${pid})`,
        expect.stringMatching(new RegExp(`^note ${sip} is in use; `)),
        'configuration is valid',
      ]);
      expect(code).toBe(0);
    }
    expect(existsSync(sidecar.socketPath)).toBe(true);
    expect(await sidecar.stop()).toBe(0);
    expect((await embedded({}, ['--data', data])).lines).toContain(`ok data directory ${data} can be used`);
  });

  test('knows the passwords that another key encrypts', async () => {
    const data = join(temporaryDirectory('data'), 'data');
    const env = { ENCRYPTION_SECRET: 'the right key' };
    expect(await (await startEmbedded({ args: ['--data', data], env })).stop()).toBe(0);
    expect((await embedded(env, ['--data', data])).code).toBe(0);
    const { code, lines } = await embedded({ ENCRYPTION_SECRET: 'another key' }, ['--data', data]);
    expect(lines[0]).toContain('its passwords are encrypted with another ENCRYPTION_SECRET');
    expect(code).toBe(2);
  });

  test('shows warnings, which are no errors', async () => {
    const { code, lines } = await embedded({ SIDECAR_EXTERNALIP: 'x', JWT_SECRET: 'an old key' });
    expect(lines.slice(0, 2)).toEqual([
      'warning SIDECAR_EXTERNALIP is not known: did you mean SIDECAR_EXTERNAL_IP?',
      expect.stringMatching(/^warning JWT_SECRET is deprecated/),
    ]);
    expect(code).toBe(0);
  });
});

test('serve --check says what an HTTP_HOST beyond loopback means for the status page', async () => {
  const http = { HTTP_HOST: '0.0.0.0', HTTP_PORT: String(await freePort()) };
  const locked = await embedded(http);
  expect(locked.lines).toContain(
    'note the status page shows nothing at an HTTP_HOST that is not loopback: set HTTP_ADMIN_TOKEN to use it',
  );
  const clear = await embedded({ ...http, HTTP_ADMIN_TOKEN: 'token of all operators' });
  expect(clear.lines.join()).not.toContain('status page');
  expect(clear.lines[0]).toMatch(/^warning HTTP_ADMIN_TOKEN goes to HTTP_HOST 0\.0\.0\.0 unencrypted/);
  expect([locked.code, clear.code]).toEqual([0, 0]);
});

describe('serve --check in production', () => {
  async function production() {
    const [redis, mysql] = await Promise.all([startRedis({ password: REDIS_PASSWORD }), openDatabase()]);
    const drachtio = await startTestDrachtio({ secret: DRACHTIO_SECRET });
    onCleanup(() => drachtio.stop());
    const env: Record<string, string> = {
      ...outsideStores(redis, mysql),
      ...influx(204),
      JAMBONES_REDIS_PASSWORD: REDIS_PASSWORD,
      DRACHTIO_HOST: '127.0.0.1',
      DRACHTIO_PORT: String(drachtio.controlPort),
      DRACHTIO_SECRET,
    };
    return { env, mysql };
  }

  test('asks every service; advises the index that MySQL lacks', async () => {
    const { env, mysql } = await production();
    const first = await check(env);
    const names = ['drachtio', 'Redis', 'MySQL', 'InfluxDB'];
    for (const name of names)
      expect(first.lines.join('\n')).toMatch(new RegExp(`^ok ${name} at 127.0.0.1:\\d+ answers$`, 'm'));
    expect(first.code).toBe(0);
    const statement = /CREATE INDEX .*;/.exec(first.lines.join('\n'))?.[0] ?? '';
    expect(statement).toBe('CREATE INDEX clients_account_sid_username ON clients (account_sid, username);');
    await mysql.pool.query(statement);
    expect((await check(env)).lines).toEqual([
      ...names.map((name) => expect.stringMatching(new RegExp(`^ok ${name} at `))),
      'configuration is valid',
    ]);
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ['drachtio', { DRACHTIO_SECRET: WRONG }, /refuses us \(incorrect secret\); check DRACHTIO_SECRET$/],
    [
      'Redis',
      { JAMBONES_REDIS_PASSWORD: WRONG },
      /refuses us \(WRONGPASS .*\); check JAMBONES_REDIS_USERNAME and JAMBONES_REDIS_PASSWORD$/,
    ],
    ['MySQL', { JAMBONES_MYSQL_PASSWORD: WRONG }, /refuses us \(Access denied .*\); check JAMBONES_MYSQL_USER and/],
    ['MySQL', { JAMBONES_MYSQL_DATABASE: 'mysql' }, /refuses us \(.*\); check JAMBONES_MYSQL_/],
    ['InfluxDB', influx(401, 204), /refuses us \(HTTP status 401\); check JAMBONES_TIME_SERIES_TOKEN$/],
    [
      'InfluxDB',
      { ...influx(404, 204), JAMBONES_TIME_SERIES_ORG: 'o', JAMBONES_TIME_SERIES_TOKEN: WRONG },
      /refuses us \(HTTP status 404\); check JAMBONES_TIME_SERIES_ORG and JAMBONES_TIME_SERIES_BUCKET$/,
    ],
  ])('%s with %o is wrong', async (name, wrong, message) => {
    const { env } = await production();
    const { code, lines } = await check({ ...env, ...wrong });
    const found = lines.filter((line) => line.startsWith('wrong '));
    expect(found).toEqual([expect.stringMatching(message)]);
    expect(found[0]).toStartWith(`wrong ${name} at `);
    expect(code).toBe(2);
  });

  test('a service that does not answer is named with its reason; the configuration is right', async () => {
    const { env } = await production();
    const silent = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
    onCleanup(() => silent.stop(true));
    const away = {
      DRACHTIO_PORT: String(silent.port),
      JAMBONES_REDIS_HOST: 'redis.invalid',
      JAMBONES_MYSQL_PORT: String(await freePort()),
      ...influx(500),
    };
    const { code, lines } = await check({ ...env, ...away });
    expect(lines).toEqual([
      expect.stringMatching(
        /^away drachtio at .* does not answer \(no answer within \d+ ms\); start it, or check DRACHTIO_HOST/,
      ),
      expect.stringMatching(
        /^away Redis at redis\.invalid:\d+: the name cannot be resolved \(.*\); check JAMBONES_REDIS_HOST/,
      ),
      expect.stringMatching(
        /^away MySQL at .* does not answer \(.*ECONNREFUSED.*\); start it, or check JAMBONES_MYSQL_HOST/,
      ),
      expect.stringMatching(
        /^away InfluxDB at .* does not answer \(HTTP status 500\); start it, or check JAMBONES_TIME_SERIES/,
      ),
      'configuration is valid',
    ]);
    expect(code).toBe(6);
  });
});
