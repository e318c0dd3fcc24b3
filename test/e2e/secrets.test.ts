import { describe, expect, test } from 'bun:test';
import { sidecarBinary } from '../support/binary.ts';
import { insertCarrier } from '../support/carriers.ts';
import { authority } from '../support/certificates.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { openDatabase } from '../support/mariadb.ts';
import { freePort } from '../support/net.ts';
import { registerOnce } from '../support/phone.ts';
import { spawnProcess } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';
import { insertAccount } from '../support/schema.ts';
import { secret } from '../support/secrets.ts';
import { QUICK, trunk } from './outbound.ts';
import { openProduction } from './production.ts';
import { cli, fileWith, outsideStores, startEmbedded } from './sidecar.ts';

// Where the sidecar would show a secret if it repeated what it was given. The output of every sidecar is searched.

const DEADLINE_MS = 20_000;

test('a Redis that does not know AUTH repeats the password; the sidecar does not', async () => {
  const commands = ['AUTH', 'HELLO'].flatMap((name) => ['--rename-command', name, '']);
  const redis = await startRedis({ args: commands });
  const env = { ...outsideStores(redis, await openDatabase()), JAMBONES_REDIS_PASSWORD: 'repeated by Redis' };
  const cwd = temporaryDirectory('secrets');
  const serve = async (...args: string[]) =>
    spawnProcess(await sidecarBinary(), ['serve', '--embedded', '--sip', 'udp/127.0.0.1:0', ...args], {
      env: { ...env, SBC_SOCKET_PATH: 'admin.sock' },
      cwd,
    });
  const sidecar = await serve();
  await sidecar.line(/unknown command 'auth'"/, DEADLINE_MS);
  const check = await serve('--check');
  await check.exited;
  expect(check.lines.join('\n')).toMatch(/Redis at .* \(ERR unknown command 'auth'\)/);
  sidecar.kill();
  expect((await sidecar.exited).code).toBe(0);
});

test('what drivers print under DEBUG is not printed', async () => {
  await using production = await openProduction({ DEBUG: '*' });
  await production.startDrachtio();
  const sidecar = await production.startSidecar();
  await sidecar.line(/"ready"/, DEADLINE_MS);
  sidecar.kill();
  await sidecar.exited;
  expect(sidecar.stderr).toEqual([]);
});

test('webhooks: their URLs are logged without userinfo and query', async () => {
  const mysql = await openDatabase();
  const refusing = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response(null, { status: 403 }) });
  onCleanup(() => refusing.stop(true));
  const hook = async (realm: string, port: number) => {
    const url = `http://hook:of-the-userinfo@127.0.0.1:${port}/path?key=of-the-query#of-the-fragment`;
    const webhook = { url, username: 'jambonz', password: 'basic-password' };
    await insertAccount(mysql, { realm, webhook, webhookSecret: 'signs every call' });
  };
  const [refused, down] = [refusing.port ?? 0, await freePort()];
  await hook('refused.example.com', refused);
  await hook('down.example.com', down);
  const { sip, process } = await startEmbedded({ env: outsideStores(await startRedis(), mysql) });
  for (const realm of ['refused.example.com', 'down.example.com'])
    for (let i = 0; i < 5; i++) await registerOnce(sip, { user: 'carol', password: 'known to the customer', realm });
  await process.line(new RegExp(`"http://127.0.0.1:${refused}/path returned 403"`), DEADLINE_MS);
  await process.line(new RegExp(`"failed to connect to http://127.0.0.1:${down}/path"`), DEADLINE_MS);
  await process.line(new RegExp(`"url":"http://127.0.0.1:${down}/path".*webhook is down`), DEADLINE_MS);
});

test('an outbound proxy that is no SIP URI is reported without its user', async () => {
  const mysql = await openDatabase();
  const sidecar = await startEmbedded({ env: { ...outsideStores(await startRedis(), mysql), ...QUICK } });
  const proxy = `sip:us:${secret('the password of a proxy', 'of-the-proxy')}@[proxy`;
  const columns = { register_password: 'of-the-carrier', outbound_sip_proxy: proxy };
  const carrier = await insertCarrier(mysql, columns, { ipv4: '127.0.0.1', port: await freePort() });
  await cli(sidecar, 'trunk', 'refresh');
  await trunk(sidecar, carrier.gateways[0] ?? '', ({ failures }) => failures > 0);
  await carrier.hasStatus({ status: 'fail' });
  for (const args of [['trunk', 'list'], ['gateway', 'list'], ['status'], ['list']])
    for (const form of [[], ['--json']]) expect((await cli(sidecar, ...args, ...form)).stdout).not.toBe('');
  expect((await cli(sidecar, 'trunk', 'show', carrier.gateways[0] ?? '', '--json')).stdout).toContain('[proxy');
});

test('a provisioning file with a fault near a password is refused, by reload too', async () => {
  const password = secret('the password in a faulty file', 'of-a-faulty-file');
  const client = (line: string) => `[[account]]\nrealm = "a.test"\n[[account.client]]\nusername = "alice"\n${line}\n`;
  const path = await fileWith('p.toml', client('password = "wonderland"'));
  const sidecar = await startEmbedded({ args: ['--provision', path] });
  const faults = [
    `password = ${password}`,
    `password = "${password}`,
    `password = ["${password}"]`,
    `pass = "${password}"`,
    `password = "${password}"\npassword = "${password}"`,
    `password = "${password}" "${password}"`,
    `password = "\\${password}"`,
    `password.${password} "${password}"`,
  ];
  for (const fault of faults) {
    await Bun.write(path, client(fault));
    const { code, stderr } = await cli(sidecar, 'reload');
    expect(stderr).toMatch(/p\.toml:\d+: .*the old state stays/);
    expect(code).not.toBe(0);
  }
});

describe('a variable with a wrong value', () => {
  const serve = async (env: Record<string, string>) => {
    const sidecar = spawnProcess(await sidecarBinary(), ['serve', '--embedded', '--check'], {
      env: { SBC_SOCKET_PATH: 'admin.sock', SIDECAR_SIP: 'udp/127.0.0.1:0', ...env },
      cwd: temporaryDirectory('secrets'),
    });
    const { code } = await sidecar.exited;
    return { code, text: sidecar.stderr.join('\n') };
  };

  test('that is a private key in place of its file', async () => {
    const { certFile, keyFile } = authority.own.certificate(['a.test']);
    const key = await Bun.file(keyFile).text();
    const env = { SIDECAR_TLS_CERT: certFile, SIDECAR_TLS_KEY: key, JAMBONES_REDIS_TLS_KEY_FILE: key };
    const { code, text } = await serve(env);
    expect(text.split('\n')).toEqual([
      'JAMBONES_REDIS_TLS_KEY_FILE must be the path of a file, not its content',
      'SIDECAR_TLS_KEY must be the path of a file, not its content',
    ]);
    expect(code).toBe(2);
  });

  test('that is a URL in place of a host', async () => {
    const url = `redis://default:${secret('the password of a URL', 'of-a-redis-url')}@redis.test:6379/0`;
    const { code, text } = await serve({
      JAMBONES_REDIS_HOST: url,
      JAMBONES_REDIS_SENTINELS: url,
      JAMBONES_REDIS_SENTINEL_MASTER_NAME: 'master',
      JAMBONES_REDIS_PORT: url,
      JAMBONES_REDIS_PASSWORT: secret('a misspelt variable', 'of-a-misspelt-variable'),
    });
    expect(text.split('\n')).toEqual([
      'JAMBONES_REDIS_HOST must be a name or an address, not "…@redis.test:6379/0"',
      'JAMBONES_REDIS_PORT must be a port from 1 to 65535, not "…@redis.test:6379/0"',
      'JAMBONES_REDIS_SENTINELS must be host:port, not "…@redis.test:6379/0"',
      'JAMBONES_REDIS_PASSWORT is not known: did you mean JAMBONES_REDIS_PASSWORD?',
    ]);
    expect(code).toBe(2);
  });
});
