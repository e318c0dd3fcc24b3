/**
 * Packs a built binary as a Debian package, and prints the package's path. It needs dpkg-deb and nothing else of Debian's
 * tools. The same binary, version and SOURCE_DATE_EPOCH make the same bytes.
 *
 *   bun packaging/deb/build.ts [--binary dist/sbc-sip-sidecar] [--version 1.2.3] [--out dist] [--fast]
 *
 * --fast compresses by gzip rather than xz, for tests. DEBFULLNAME and DEBEMAIL name the maintainer.
 */
import { chmodSync, lutimesSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { $ } from 'bun';
import { version as ownVersion } from '../../package.json';
import { changelog, control, debianVersion, type Package } from './control.ts';

const ROOT = join(import.meta.dir, '../..');
const NAME = 'sbc-sip-sidecar';
const DOC = `usr/share/doc/${NAME}`;
/** e_machine in the header of an ELF file → Debian's name. */
const ARCHITECTURES: Readonly<Record<number, string>> = { 62: 'amd64', 183: 'arm64' };

/** Path in the package → file of the project. */
const FILES: Readonly<Record<string, string>> = {
  [`etc/${NAME}/environment`]: 'packaging/environment',
  [`usr/lib/systemd/system/${NAME}.service`]: `packaging/systemd/${NAME}.service`,
  [`usr/lib/sysusers.d/${NAME}.conf`]: `packaging/sysusers.d/${NAME}.conf`,
  [`usr/lib/tmpfiles.d/${NAME}.conf`]: `packaging/tmpfiles.d/${NAME}.conf`,
  [`usr/share/lintian/overrides/${NAME}`]: 'packaging/deb/lintian-overrides',
  [`${DOC}/copyright`]: 'packaging/deb/copyright',
};
/** The same, compressed. */
const COMPRESSED: Readonly<Record<string, string>> = {
  [`usr/share/man/man1/${NAME}.1.gz`]: `man/${NAME}.1`,
  [`${DOC}/changelog.gz`]: 'CHANGELOG.md',
};
/** Shell → path of its completion script. */
const COMPLETIONS: Readonly<Record<string, string>> = {
  bash: `usr/share/bash-completion/completions/${NAME}`,
  zsh: `usr/share/zsh/vendor-completions/_${NAME}`,
  fish: `usr/share/fish/vendor_completions.d/${NAME}.fish`,
};
const SCRIPTS = ['postinst', 'prerm', 'postrm'];
const CONFFILES = [`etc/${NAME}/environment`];

const EXECUTABLE = 0o755;
const PLAIN = 0o644;
/** Has passwords. */
const SECRET = 0o600;

const { values: options } = parseArgs({
  options: {
    binary: { type: 'string', default: join(ROOT, 'dist', NAME) },
    version: { type: 'string', default: ownVersion },
    out: { type: 'string', default: join(ROOT, 'dist') },
    fast: { type: 'boolean', default: false },
  },
});
const stage = mkdtempSync(join(tmpdir(), `${NAME}-deb-`));
try {
  process.stdout.write(`${await build()}\n`);
} finally {
  rmSync(stage, { recursive: true, force: true });
}

async function build(): Promise<string> {
  const date = await sourceDate();
  await put(`usr/bin/${NAME}`, Bun.file(options.binary), EXECUTABLE);
  for (const [path, source] of Object.entries(FILES))
    await put(path, Bun.file(join(ROOT, source)), CONFFILES.includes(path) ? SECRET : PLAIN);
  for (const [path, source] of Object.entries(COMPRESSED)) await putCompressed(path, Bun.file(join(ROOT, source)));
  for (const [shell, path] of Object.entries(COMPLETIONS)) await put(path, await completion(shell), PLAIN);
  const { DEBFULLNAME = `The ${NAME} authors`, DEBEMAIL = `${NAME}@users.noreply.github.com` } = process.env;
  const facts: Package = {
    version: options.version,
    architecture: await architectureOf(options.binary),
    maintainer: `${DEBFULLNAME} <${DEBEMAIL}>`,
    installedKib: files().reduce((sum, path) => sum + Math.ceil(statSync(join(stage, path)).size / 1024), 0),
    date,
  };
  await putCompressed(`${DOC}/changelog.Debian.gz`, changelog(facts));
  const sums = await checksums();
  await put('DEBIAN/control', control(facts), PLAIN);
  await put('DEBIAN/conffiles', CONFFILES.map((path) => `/${path}\n`).join(''), PLAIN);
  await put('DEBIAN/md5sums', sums, PLAIN);
  for (const script of SCRIPTS) await put(`DEBIAN/${script}`, Bun.file(join(import.meta.dir, script)), EXECUTABLE);
  settle(date);

  const path = join(options.out, `${NAME}_${debianVersion(facts.version)}_${facts.architecture}.deb`);
  mkdirSync(options.out, { recursive: true });
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(date) };
  const compression = options.fast ? ['-Zgzip', '-z1'] : ['-Zxz'];
  await $`dpkg-deb --root-owner-group ${compression} --build ${stage} ${path}`.env(env).quiet();
  return path;
}

async function put(path: string, content: string | Blob | Uint8Array, mode: number): Promise<void> {
  const file = join(stage, path);
  mkdirSync(dirname(file), { recursive: true });
  await Bun.write(file, content);
  chmodSync(file, mode);
}

/** Without name and time, as Debian wants it. */
async function putCompressed(path: string, content: string | Blob): Promise<void> {
  const text = typeof content === 'string' ? content : await content.text();
  await put(path, await $`gzip -9n < ${new Response(text)}`.quiet().blob(), PLAIN);
}

function completion(shell: string): Promise<string> {
  return $`${process.execPath} ${join(ROOT, 'src/main.ts')} completion ${shell}`.text();
}

/** The files to install, relative and sorted. */
function files(): string[] {
  return entries()
    .filter((path) => statSync(join(stage, path)).isFile())
    .toSorted();
}

function entries(): string[] {
  return readdirSync(stage, { recursive: true, encoding: 'utf8' });
}

async function checksums(): Promise<string> {
  const lines = files()
    .filter((path) => !CONFFILES.includes(path))
    .map(async (path) => {
      const content = await Bun.file(join(stage, path)).arrayBuffer();
      return `${new Bun.CryptoHasher('md5').update(content).digest('hex')}  ${path}\n`;
    });
  return (await Promise.all(lines)).join('');
}

/** Gives directories their mode, which the umask has changed, and everything one time. */
function settle(date: number): void {
  for (const path of ['', ...entries()]) {
    const full = join(stage, path);
    if (statSync(full).isDirectory()) chmodSync(full, EXECUTABLE);
    lutimesSync(full, date, date);
  }
}

async function architectureOf(binary: string): Promise<string> {
  const header = new DataView(await Bun.file(binary).slice(0, 20).arrayBuffer());
  const name = header.byteLength === 20 ? ARCHITECTURES[header.getUint16(18, true)] : undefined;
  if (name === undefined) throw new Error(`${basename(binary)} is no program for Linux on x64 or arm64`);
  return name;
}

/** SOURCE_DATE_EPOCH (reproducible-builds.org), or the time of the commit; seconds. */
async function sourceDate(): Promise<number> {
  const given = process.env.SOURCE_DATE_EPOCH ?? (await $`git log -1 --format=%ct`.cwd(ROOT).text());
  if (!/^\d{1,11}\s*$/.test(given)) throw new Error('name the date of the sources in SOURCE_DATE_EPOCH');
  return Number(given);
}
