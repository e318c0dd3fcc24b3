/**
 * Installs what is missing. Needs Node 20 and nothing else.
 *
 *   node scripts/ensure.mjs           npm packages
 *   node scripts/ensure.mjs --tools   and the programs the tests run on (Debian, Ubuntu)
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BUN = join(ROOT, 'node_modules/.bin/bun');
/** Where Debian keeps servers; not on everybody's PATH. */
const SERVER_DIRECTORY = '/usr/sbin';

/** Command → Debian package. */
const TOOLS = {
  'redis-server': 'redis-server',
  // A MySQL server that is already running will do: see test/support/mariadb.ts.
  ...(process.env.MYSQL_ROOT_PASSWORD === undefined ? { mariadbd: 'mariadb-server' } : {}),
  sipp: 'sip-tester',
  // Makes the certificates of tests.
  openssl: 'openssl',
  // What scans the Internet for telephones to abuse.
  svwar: 'sipvicious',
  // A registrar at which we register.
  kamailio: 'kamailio',
  // Phones that register at us: those in a browser, and a softphone.
  chromium: 'chromium',
  baresip: 'baresip-core',
  // Keeps the alerts.
  influxd: 'influxdb',
  // Reads the metrics; promtool, which comes with it, checks metrics and alerts.
  prometheus: 'prometheus',
  // Shells that read the completion scripts.
  zsh: 'zsh',
  fish: 'fish',
  // Shows the man page.
  man: 'man-db',
  // Checks the Debian package, and makes a Debian to install it on.
  lintian: 'lintian',
  mmdebstrap: 'mmdebstrap debian-archive-keyring',
};

ensurePackages();
ensureBun();
if (process.argv.includes('--tools')) ensureTools();

function ensurePackages() {
  const installed = modified('node_modules/.package-lock.json');
  if (installed > 0 && installed >= modified('package-lock.json')) return;
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

/** The npm package is a placeholder until its install script has run, which npm may have been told not to do. */
function ensureBun() {
  if (bunWorks()) return;
  run(process.execPath, [join(ROOT, 'node_modules/bun/install.js')]);
  if (!bunWorks()) fail(`${BUN} does not run: npm's "bun" package has no binary for this machine`);
}

function bunWorks() {
  return spawnSync(BUN, ['--version'], { stdio: 'ignore' }).status === 0;
}

function ensureTools() {
  const packages = Object.entries(TOOLS)
    .filter(([command]) => !isInstalled(command))
    .map(([, name]) => name);
  if (packages.length === 0) return;
  const names = packages.join(' ');
  if (!isInstalled('apt-get')) fail(`missing: ${names} (Debian's names); install them with your package manager`);
  const install = `apt-get install -y --no-install-recommends ${names}`;
  const command = `apt-get update && DEBIAN_FRONTEND=noninteractive ${install}`;
  const asRoot = becomeRoot();
  if (!asRoot) fail(`missing: ${names}. To install them, type:\n  sudo sh -c '${command}'`);
  process.stderr.write(`installing ${names}\n`);
  const [program, ...args] = [...asRoot, 'sh', '-c', installScript(command)];
  run(program, args);
}

/** Debian starts a server as soon as it is installed, unless policy-rc.d says no. The tests start their own. */
function installScript(command) {
  return `set -e
policy=${SERVER_DIRECTORY}/policy-rc.d
if ! [ -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
${command}`;
}

/** What to put before a command so that it runs as root; undefined when there is no way without a password. */
function becomeRoot() {
  if (process.getuid?.() === 0) return [];
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? ['sudo', '-n'] : undefined;
}

function isInstalled(command) {
  const directories = [...(process.env.PATH ?? '').split(delimiter), SERVER_DIRECTORY];
  return directories.some((directory) => {
    try {
      accessSync(join(directory, command), constants.X_OK);
      return true;
    } catch {
      return false; // not there, or not ours to run
    }
  });
}

/** Milliseconds since the epoch; 0 when there is no such file. */
function modified(path) {
  const absolute = join(ROOT, path);
  return existsSync(absolute) ? statSync(absolute).mtimeMs : 0;
}

/** Output goes to stderr: stdout belongs to the command this is a part of. */
function run(command, args) {
  const { status, signal, error } = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (status !== 0) fail(`${command} ${args[0]} failed: ${error?.message ?? signal ?? `exit code ${status}`}`);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
