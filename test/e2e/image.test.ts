import { beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import manifest from '../../package.json';
import { BUILD_INPUTS } from '../support/binary.ts';
import { authority, type TestCertificate } from '../support/certificates.ts';
import { readDockerfile } from '../support/dockerfile.ts';
import { freePort } from '../support/net.ts';
import { registerOnce } from '../support/phone.ts';
import { provisioned } from '../support/secrets.ts';
import { ROOT, spawnAs } from '../support/users.ts';
import { UdpPeer } from '../support/wire.ts';
import { answerOf, rawServer } from '../webhook/support.ts';
import { ended, Image, REPOSITORY } from './image.ts';

const START_DEADLINE_MS = 30_000;
const ACCOUNTS = '/etc/sbc-sip-sidecar/accounts.toml';
const CA = '/etc/sbc-sip-sidecar/ca.pem';
const SYSTEM_CAS = '/etc/ssl/certs/ca-certificates.crt';
const LOGS = { JAMBONES_LOGLEVEL: 'trace' };
const ALICE = { user: 'alice', password: 'wonderland', realm: 'image.example.com' };
const BOB = { user: 'bob', password: 'of the webhook', realm: 'hook.example.com' };
const CAROL = { ...BOB, user: 'carol', realm: 'system-hook.example.com' };
const HOOK = 'hook.image.test';
const GATEWAY = 'gateway.image.test';

const [build, final] = readDockerfile(join(REPOSITORY, 'Dockerfile.distroless'));
let image: Image;

beforeAll(async () => {
  image = await Image.build();
});

/** Starts a name server at port 53 of a loopback address, and has the image ask it. */
async function nameServer(zone: Readonly<Record<string, object>>): Promise<void> {
  const random = crypto.getRandomValues(new Uint8Array(2));
  const address = `127.53.${random.join('.')}`;
  const program = join(REPOSITORY, 'test/support/name-server.ts');
  const server = spawnAs(ROOT, process.execPath, [program, address, JSON.stringify(zone)]);
  await server.line(/listening/, START_DEADLINE_MS);
  image.write('/etc/resolv.conf', `nameserver ${address}\n`);
}

function webhook(certificate: TestCertificate) {
  return rawServer(
    (socket) => socket.write(answerOf('200 OK')),
    (onConnection) => authority.server(certificate).on('secureConnection', onConnection),
  );
}

describe('the Dockerfile', () => {
  test('copies all that a build reads, and .dockerignore lets it in', () => {
    const copied = build?.copies.flatMap(({ sources }) => sources) ?? [];
    expect(copied.toSorted()).toEqual(BUILD_INPUTS.toSorted());
    const ignored = readFileSync(join(REPOSITORY, '.dockerignore'), 'utf8').split('\n');
    expect(ignored).toEqual(expect.arrayContaining(copied.map((path) => `!${path.split('/')[0]}`)));
  });

  test('makes an image without a shell, for a user other than root, with its writable directories as volumes', () => {
    expect(final).toMatchObject({
      base: 'gcr.io/distroless/base-debian12:nonroot',
      user: '65532:65532',
      run: [],
      entrypoint: ['/sbc-sip-sidecar'],
      cmd: ['serve'],
      healthcheck: ['/sbc-sip-sidecar', 'status', '--ready'],
    });
    const { SBC_SOCKET_PATH = '', SIDECAR_DATA = '' } = final?.env ?? {};
    expect(final?.volumes).toEqual([dirname(SBC_SOCKET_PATH), SIDECAR_DATA]);
    const owned = final?.copies.filter(({ owner }) => owner === final.user).map(({ destination }) => destination);
    expect(owned).toEqual([...(final?.volumes ?? [])]);
  });

  test('labels the image with the version', () => {
    expect(final?.labels).toMatchObject({
      'org.opencontainers.image.version': manifest.version,
      'org.opencontainers.image.description': manifest.description,
      'org.opencontainers.image.licenses': manifest.license,
    });
  });
});

describe('in the image', () => {
  test('--version answers', async () => {
    const { process } = image.start({ args: ['--version'] });
    expect(await ended(process)).toMatchObject({ code: 0, stdout: manifest.version, stderr: '' });
  });

  test('serve --check finds nothing wrong, and nothing is writable but the volumes', async () => {
    const args = ['serve', '--embedded', '--check', '--sip', `udp/127.0.0.1:${await freePort()}`];
    const { code, stdout } = await ended(image.start({ args }).process);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('configuration is valid') });
    const elsewhere = image.start({ args, env: { SIDECAR_DATA: '/tmp/data' } });
    expect((await ended(elsewhere.process)).stdout).toMatch(
      /^wrong .* \/tmp\/data, user nonroot: is on a read-only file system/m,
    );
  });

  test('phones are registered, webhooks are asked over TLS, a gateway is pinged, and the health check answers', async () => {
    const hook = await webhook(authority.own.certificate([HOOK]));
    const systemHook = await webhook(authority.stranger.certificate([HOOK]));
    using gateway = await UdpPeer.open();
    const accounts = `
      [[account]]
      realm = "${ALICE.realm}"
      [[account.client]]
      username = "${ALICE.user}"
      password = "${ALICE.password}"

      [[account]]
      realm = "${BOB.realm}"
      [account.webhook]
      url = "https://${HOOK}:${hook.port}/register"

      [[account]]
      realm = "${CAROL.realm}"
      [account.webhook]
      url = "https://${HOOK}:${systemHook.port}/register"

      [[carrier]]
      name = "upstream"
      [[carrier.gateway]]
      host = "${GATEWAY}"
      port = ${gateway.port}
      options_ping = true
    `;
    provisioned(accounts);
    image.write(ACCOUNTS, accounts);
    image.write(CA, authority.ca);
    image.write(SYSTEM_CAS, readFileSync(authority.stranger.caFile, 'utf8'));
    await nameServer({ [HOOK]: { A: ['127.0.0.1'] }, [GATEWAY]: { A: ['127.0.0.1'] } });

    const sip = { host: '127.0.0.1', port: await freePort() };
    const args = ['serve', '--embedded', '--sip', `udp/${sip.host}:${sip.port}`, '--provision', ACCOUNTS];
    const container = image.start({ args, env: { ...LOGS, NODE_EXTRA_CA_CERTS: CA, SEND_OPTIONS_PING_INTERVAL: '1' } });
    await container.process.line(/is ready, embedded/, START_DEADLINE_MS);
    expect((await registerOnce(sip, ALICE)).status).toBe(200);
    expect((await registerOnce(sip, BOB)).status).toBe(200);
    expect((await registerOnce(sip, CAROL)).status).toBe(200);
    expect([hook, systemHook].map(({ requests }) => requests.length)).toEqual([1, 1]);
    expect(await gateway.next()).toStartWith(`OPTIONS sip:${GATEWAY}:${gateway.port} SIP/2.0`);

    expect(await container.exec(image.stage.healthcheck)).toMatchObject({ code: 0, stdout: 'ready' });
    const status = await container.exec([...image.stage.entrypoint, 'status']);
    expect(status.stdout).toMatch(/^Registered: +3 AORs$/m);
    expect(await container.stop()).toBe(0);
  });

  test('the health check fails while a dependency is missing, and without a sidecar', async () => {
    const port = String(await freePort());
    const container = image.start({
      env: {
        ...LOGS,
        DRACHTIO_HOST: '127.0.0.1',
        DRACHTIO_PORT: port,
        DRACHTIO_SECRET: 'of no drachtio server',
        JAMBONES_REDIS_HOST: '127.0.0.1',
        JAMBONES_REDIS_PORT: port,
        JAMBONES_MYSQL_HOST: '127.0.0.1',
        JAMBONES_MYSQL_PORT: port,
        JAMBONES_MYSQL_USER: 'sidecar',
        JAMBONES_MYSQL_PASSWORD: 'of no database',
        JAMBONES_MYSQL_DATABASE: 'jambones',
        ENCRYPTION_SECRET: 'of no platform',
        JAMBONES_TIME_SERIES_HOST: 'none',
      },
    });
    await container.process.line(/waiting for Redis/, START_DEADLINE_MS);
    expect(await container.exec(image.stage.healthcheck)).toMatchObject({ code: 5, stdout: 'not ready' });
    expect(await container.stop()).toBe(0);
    expect((await ended(image.start({ args: image.stage.healthcheck.slice(1) }).process)).code).toBe(4);
  });
});
