import { describe, expect, test } from 'bun:test';
import { sidecarBinary } from '../support/binary.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { eventually } from '../support/eventually.ts';
import { openDatabase } from '../support/mariadb.ts';
import { freePort } from '../support/net.ts';
import { spawnProcess } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';
import { secret } from '../support/secrets.ts';
import { runSipp } from '../support/sipp.ts';
import { openProduction } from './production.ts';
import { cli, outsideStores, type RunningSidecar, type SidecarOptions, startEmbedded } from './sidecar.ts';

const TRUSTED = { JAMBONES_NETWORK_CIDR: '127.0.0.0/24' };
const UNTRUSTED_IP = '127.0.9.1';
const DEADLINE_MS = 30_000;

interface FeatureServer {
  readonly ip: string;
  readonly port: number;
  readonly member: string;
  readonly url: string;
  checkIn(target: Pick<RunningSidecar, 'sip'>, status?: string, calls?: number, scenario?: string): Promise<void>;
}

async function featureServer(ip: string, url = `http://${ip}:3000`): Promise<FeatureServer> {
  const port = await freePort();
  return {
    ip,
    port,
    member: `${ip}:${port}`,
    url,
    async checkIn(target, status = 'open', calls = 0, scenario = 'check-in') {
      const { code, errors } = await runSipp({
        scenario,
        target: target.sip,
        transport: 'u1',
        localIp: ip,
        localPort: port,
        deadlineMs: DEADLINE_MS,
        keys: { status, calls: String(calls), url },
      });
      expect({ code, errors }).toEqual({ code: 0, errors: '' });
    },
  };
}

interface Listed {
  readonly servers: readonly { server: string; status: string; calls: number | null; serviceUrl: string | null }[];
  readonly drained: readonly string[];
}

async function list(sidecar: Pick<RunningSidecar, 'socketPath'>): Promise<Listed> {
  const { code, stdout } = await cli(sidecar, 'fs', 'list', '--json');
  expect(code).toBe(0);
  return JSON.parse(stdout) as Listed;
}

const states = async (sidecar: Pick<RunningSidecar, 'socketPath'>) =>
  Object.fromEntries((await list(sidecar)).servers.map((s) => [s.server, s.status]));

describe.each([
  ['SQLite', async () => ({})],
  ['Redis', async () => outsideStores(await startRedis(), await openDatabase())],
] as const)('feature servers with %s', (_name, stores) => {
  let env: Promise<Record<string, string>> | undefined;
  async function start(options: SidecarOptions = {}) {
    env ??= stores();
    const sidecar = await startEmbedded({
      ...options,
      // Each test has its own cluster, so that it does not see servers of another.
      env: { ...TRUSTED, JAMBONES_CLUSTER_ID: crypto.randomUUID(), ...(await env), ...options.env },
    });
    onCleanup(async () => void (await sidecar.stop()));
    return sidecar;
  }

  test('check in, are drained and come back', async () => {
    const sidecar = await start();
    const [one, two] = [await featureServer('127.0.0.11'), await featureServer('127.0.0.12')];
    await one.checkIn(sidecar, 'open', 5);
    await two.checkIn(sidecar, 'open', 0);
    expect((await list(sidecar)).servers).toEqual([
      expect.objectContaining({ server: one.member, status: 'active', calls: 5, serviceUrl: one.url }),
      expect.objectContaining({ server: two.member, status: 'active', calls: 0, serviceUrl: two.url }),
    ]);

    expect((await cli(sidecar, 'fs', 'drain', one.ip)).stdout).toContain(`✓ Drained ${one.ip}`);
    expect(await states(sidecar)).toEqual({ [one.member]: 'drained', [two.member]: 'active' });
    await one.checkIn(sidecar, 'open', 4);
    expect(await states(sidecar)).toEqual({ [one.member]: 'drained', [two.member]: 'active' });

    expect((await cli(sidecar, 'fs', 'undrain', `${one.ip}:5060`)).code).toBe(0);
    expect(await states(sidecar)).toEqual({ [one.member]: 'active', [two.member]: 'active' });
    await one.checkIn(sidecar, 'closed');
    expect(await states(sidecar)).toEqual({ [two.member]: 'active' });
  });

  test('from outside the trusted networks change nothing', async () => {
    const sidecar = await start();
    const stranger = await featureServer(UNTRUSTED_IP);
    await stranger.checkIn(sidecar, 'open', 0, 'untrusted-check-in');
    expect((await list(sidecar)).servers).toEqual([]);
    await sidecar.process.line(/check-in from outside JAMBONES_NETWORK_CIDR ignored/, DEADLINE_MS);
  });

  test('with a password in the service URL change nothing, and the log does not show it', async () => {
    const sidecar = await start();
    const password = secret('the password of a service URL', 'password-of-a-feature-server');
    const server = await featureServer('127.0.0.15', `http://fs:${password}@127.0.0.15:3000`);
    await server.checkIn(sidecar, 'open', 0, 'untrusted-check-in');
    expect((await list(sidecar)).servers).toEqual([]);
    await sidecar.process.line(/check-in with a userinfo, query or fragment in X-FS-ServiceUrl ignored/, DEADLINE_MS);
  });

  test('RTP servers are counted', async () => {
    const sidecar = await start();
    await (await featureServer('127.0.0.21')).checkIn(sidecar, 'open', 3, 'rtp-check-in');
    await (await featureServer('127.0.0.22')).checkIn(sidecar, 'open', 3, 'rtp-check-in');
    const { stdout } = await cli(sidecar, 'status', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ ready: true, rtpServers: 2, featureServers: { active: 0, drained: 0 } });
  });

  test('that fall silent are removed, and return with the next check-in', async () => {
    const sidecar = await start({ env: { EXPIRES_INTERVAL: '1000', CHECK_EXPIRES_INTERVAL: '100' } });
    const server = await featureServer('127.0.0.31');
    await server.checkIn(sidecar);
    await sidecar.process.line(/feature server silent, taken out/, DEADLINE_MS);
    expect((await list(sidecar)).servers).toEqual([]);
    await eventually('its return', async () => {
      await server.checkIn(sidecar);
      return (await states(sidecar))[server.member] === 'active' || undefined;
    });
  });

  test('and their drained state survive a kill and restart of the sidecar', async () => {
    const options = {
      args: ['--data', temporaryDirectory('data')],
      env: { JAMBONES_CLUSTER_ID: crypto.randomUUID() },
    };
    const first = await start(options);
    const [one, two] = [await featureServer('127.0.0.41'), await featureServer('127.0.0.42')];
    await one.checkIn(first);
    await two.checkIn(first, 'open', 2);
    await cli(first, 'fs', 'drain', two.ip);
    first.process.kill('SIGKILL');
    await first.process.exited;
    const second = await start(options);
    expect(await states(second)).toEqual({ [one.member]: 'active', [two.member]: 'drained' });
  });

  test('drain --wait ends when the server reports no more calls', async () => {
    const sidecar = await start();
    const server = await featureServer('127.0.0.51');
    await server.checkIn(sidecar, 'open', 2);
    const waiting = cli(sidecar, 'fs', 'drain', server.ip, '--force', '--wait', '--timeout', '30s');
    while ((await states(sidecar))[server.member] !== 'drained');
    await server.checkIn(sidecar, 'open', 1);
    await server.checkIn(sidecar, 'open', 0);
    expect((await waiting).code).toBe(0);
  });
});

describe('where one listener alone takes check-ins', () => {
  const PRIVATE_IP = '127.0.0.2';
  const ENV = { ...TRUSTED, JAMBONES_CLUSTER_ID: crypto.randomUUID(), JAMBONES_CHECKIN_LISTENER: PRIVATE_IP };

  async function tryBoth(
    sidecar: Pick<RunningSidecar, 'socketPath' | 'process'>,
    listeners: { readonly open: RunningSidecar['sip']; readonly taking: RunningSidecar['sip'] },
  ) {
    const [one, two] = [await featureServer('127.0.0.71'), await featureServer('127.0.0.72')];
    await one.checkIn({ sip: listeners.open }, 'open', 0, 'untrusted-check-in');
    await one.checkIn({ sip: listeners.open }, 'open', 0, 'untrusted-check-in');
    await two.checkIn({ sip: listeners.taking });
    await two.checkIn({ sip: listeners.open }, 'closed', 0, 'untrusted-check-in');
    expect(await states(sidecar)).toEqual({ [two.member]: 'active' });
    const warned = /check-in on a listener other than JAMBONES_CHECKIN_LISTENER ignored/;
    await sidecar.process.line(warned, DEADLINE_MS);
    expect(sidecar.process.lines.filter((line) => warned.test(line) && line.includes(one.ip))).toHaveLength(1);
  }

  test('the embedded edge refuses them on the others', async () => {
    const port = await freePort();
    const sidecar = await startEmbedded({ env: ENV, further: [`udp/${PRIVATE_IP}:${port}`] });
    onCleanup(async () => void (await sidecar.stop()));
    await tryBoth(sidecar, { open: sidecar.sip, taking: { host: PRIVATE_IP, port } });
  });

  test('a sidecar behind drachtio refuses them on the others', async () => {
    await using production = await openProduction(ENV);
    const { server, sip } = await production.startDrachtio([{ proto: 'udp', host: PRIVATE_IP, port: 0 }]);
    const process = await production.startSidecar();
    await process.line(/"ready"/, DEADLINE_MS);
    const port = Number(/udp\/127\.0\.0\.2:(\d+)/.exec(server.layer.hostports)?.[1]);
    await tryBoth({ process, socketPath: production.socketPath }, { open: sip, taking: { host: PRIVATE_IP, port } });
  });

  test.each([
    ['serve', []],
    ['serve --check', ['--check']],
  ])('%s ends with its name when the edge has no such listener', async (_, args) => {
    const env = { JAMBONES_CHECKIN_LISTENER: '127.0.0.3', SIDECAR_SIP: 'udp/127.0.0.1:0,udp/0.0.0.0:0' };
    const serve = spawnProcess(await sidecarBinary(), ['serve', '--embedded', ...args], {
      env,
      cwd: temporaryDirectory('sidecar'),
    });
    onCleanup(() => serve.kill('SIGKILL'));
    expect((await within(serve.exited, DEADLINE_MS, 'end of serve')).code).toBe(2);
    expect(serve.stderr).toEqual([
      'JAMBONES_CHECKIN_LISTENER names 127.0.0.3, which is none of the addresses in SIDECAR_SIP',
    ]);
  });
});

test('two sidecars on one Redis agree on the active servers', async () => {
  const env = {
    ...TRUSTED,
    JAMBONES_CLUSTER_ID: crypto.randomUUID(),
    EXPIRES_INTERVAL: '5000',
    CHECK_EXPIRES_INTERVAL: '100',
    ...outsideStores(await startRedis(), await openDatabase()),
  };
  const sidecars = [await startEmbedded({ env }), await startEmbedded({ env })] as const;
  const [here, there] = [await featureServer('127.0.0.61'), await featureServer('127.0.0.62')];
  await there.checkIn(sidecars[1]);
  // Each server checks in at one sidecar only; neither sidecar may remove the other's.
  for (const _ of [1, 2, 3]) {
    await here.checkIn(sidecars[0]);
    await there.checkIn(sidecars[1]);
    expect(await states(sidecars[0])).toEqual({ [here.member]: 'active', [there.member]: 'active' });
  }
  await cli(sidecars[0], 'fs', 'drain', there.ip);
  expect(await states(sidecars[1])).toMatchObject({ [there.member]: 'drained' });
  await Promise.race(sidecars.map((s) => s.process.line(/feature server silent, taken out/, DEADLINE_MS)));
});
