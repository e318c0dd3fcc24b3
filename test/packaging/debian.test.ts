import { beforeAll, describe, expect, test } from 'bun:test';
import { within } from '../support/deadline.ts';
import { freePort } from '../support/net.ts';
import { Phone } from '../support/phone.ts';
import { spawnProcess } from '../support/process.ts';
import { provisioned } from '../support/secrets.ts';
import { readUnit, variablesIn } from '../support/systemd-unit.ts';
import { buildDebianPackage, debianPackage, projectFile } from './debian-package.ts';
import { DebianSystem } from './debian-system.ts';

const NAME = 'sbc-sip-sidecar';
const UNIT = `/usr/lib/systemd/system/${NAME}.service`;
const ENVIRONMENT = `/etc/${NAME}/environment`;
const ACCOUNTS = `/etc/${NAME}/accounts.toml`;
const ALICE = { user: 'alice', password: 'alice of the package', realm: 'sip.example.com' };
const TOML = `[[account]]
realm = "${ALICE.realm}"
[[account.client]]
username = "${ALICE.user}"
password = "${ALICE.password}"
`;

const TEST_MS = 240_000;
const START_MS = 30_000;
const LINTIAN_MS = 120_000;
const LINTIAN_OPTIONS = ['--no-cfg', '--profile', 'debian', '--allow-root', '--fail-on', 'error'];

let fresh: Promise<DebianSystem>;

// It takes as long as all tests together, so they begin meanwhile.
beforeAll(() => {
  // What the package depends on, and the commands for users, which every Debian has.
  fresh = DebianSystem.bootstrap(['passwd', 'systemd', 'ca-certificates']);
  // The tests that need it fail.
  fresh.catch(() => {});
});

describe('the Debian package', () => {
  test(
    'is the same to the byte for the same binary, at any time and with any umask',
    async () => {
      const [one, two] = [await debianPackage('1.2.3'), await buildDebianPackage('1.2.3', '077')];
      expect(await Bun.file(one).bytes()).toEqual(await Bun.file(two).bytes());
    },
    TEST_MS,
  );

  test(
    'has no error by lintian',
    async () => {
      const lintian = spawnProcess('lintian', [...LINTIAN_OPTIONS, await debianPackage('1.2.3')]);
      const { code } = await within(lintian.exited, LINTIAN_MS, 'lintian');
      expect({ code, lines: lintian.lines }).toMatchObject({ code: 0 });
    },
    TEST_MS,
  );
});

describe('on a fresh Debian 12', () => {
  test(
    'the unit has no mistake, and is as closed as the documentation says',
    async () => {
      const system = await (await fresh).copy();
      await install(system, await debianPackage('1.2.3'));
      // An unknown setting is a warning, with the exit code 0.
      expect(await system.run('sh', '-c', `systemd-analyze verify --man=no ${UNIT} 2>&1`)).toBe('');
      const report = await system.run('systemd-analyze', 'security', '--offline=true', '--no-pager', UNIT);
      const [, score] = /Overall exposure level for .*: ([\d.]+) OK/.exec(report) ?? [];
      const [, documented] = /exposure level of ([\d.]+)/.exec(await projectFile('docs/debian.md')) ?? [];
      expect(Number(score)).toBeLessThanOrEqual(Number(documented));
    },
    TEST_MS,
  );

  test(
    'a phone registers, stays registered through an upgrade, and a purge leaves nothing but the files of the operator',
    async () => {
      const system = await (await fresh).copy();
      const before = await system.paths();
      const users = await system.read('/etc/passwd');
      await install(system, await debianPackage('1.2.3'));
      expect(await system.run('stat', '-c', '%a %U', ENVIRONMENT)).toBe('600 root');
      expect(await system.run('systemctl', 'is-enabled', NAME)).toBe('enabled');

      const port = await freePort();
      const settings = `${await system.read(ENVIRONMENT)}
SIDECAR_EMBEDDED=1
SIDECAR_SIP=udp/127.0.0.1:${port}
SIDECAR_PROVISION=${ACCOUNTS}
JAMBONES_LOGLEVEL=trace
`;
      await system.write(ENVIRONMENT, settings);
      provisioned(TOML);
      await system.write(ACCOUNTS, TOML);
      await system.run('chgrp', NAME, ACCOUNTS);
      await system.run('chmod', '640', ACCOUNTS);

      const first = await startAsService(system);
      using phone = await Phone.open({ host: '127.0.0.1', port }, ALICE);
      expect((await phone.register()).status).toBe(200);
      expect(await registered(system)).toEqual([`${ALICE.user}@${ALICE.realm}`]);

      await install(system, await debianPackage('1.3.0'));
      expect(await system.run('dpkg-query', '-W', '-f', `\${Version}`, NAME)).toBe('1.3.0-1');
      expect(await system.read(ENVIRONMENT)).toBe(settings.trimEnd());
      await stop(first);
      const second = await startAsService(system);
      expect(await registered(system)).toEqual([`${ALICE.user}@${ALICE.realm}`]);
      await stop(second);

      await system.write(`/etc/${NAME}/tls.pem`, 'a certificate');
      await system.run('dpkg', '--remove', NAME);
      expect(await system.read(ENVIRONMENT)).toBe(settings.trimEnd());
      expect(await system.run('ls', `/var/lib/${NAME}`)).toContain('.db');
      await system.run('dpkg', '--purge', NAME);
      expect(await system.read('/etc/passwd')).toBe(users);
      expect(await system.paths()).toEqual([...before, `/etc/${NAME}`, `/etc/${NAME}/tls.pem`].toSorted());
    },
    TEST_MS,
  );
});

async function install(system: DebianSystem, path: string): Promise<void> {
  await system.give(path);
  const file = `/${path.replace(/.*\//, '')}`;
  await system.run('dpkg', '--install', file);
  await system.run('rm', file);
}

/** Does what systemd does by the installed unit. Resolves when the sidecar is ready. */
async function startAsService(system: DebianSystem) {
  const unit = readUnit(await system.read(UNIT));
  const user = unit.value('User');
  const file = unit.value('EnvironmentFile').replace(/^-/, '');
  const variables = [...unit.values('Environment'), ...variablesIn(await system.read(file))];
  const words = ['--reuid', user, '--regid', user, '--init-groups', '--no-new-privs', 'env', '-i', ...variables];
  const sidecar = system.start('setpriv', ...words, ...unit.value('ExecStart').split(' '));
  await sidecar.line(/"msg":"ready"/, START_MS);
  return sidecar;
}

async function stop(sidecar: Awaited<ReturnType<typeof startAsService>>): Promise<void> {
  sidecar.kill();
  expect(await within(sidecar.exited, START_MS, 'stop')).toMatchObject({ code: 0 });
}

/** The registered AORs, as root sees them with no variable set. */
async function registered(system: DebianSystem): Promise<string[]> {
  const list: { bindings: { aor: string }[] } = JSON.parse(await system.run(NAME, 'reg', 'list', '--json'));
  return list.bindings.map(({ aor }) => aor);
}
