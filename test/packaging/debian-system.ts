import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import type { SpawnedProcess } from '../support/process.ts';
import { ROOT, spawnAs } from '../support/users.ts';

const SUITE = 'bookworm';
const MIRROR = 'http://deb.debian.org/debian';
const BOOTSTRAP_DEADLINE_MS = 240_000;
const COMMAND_DEADLINE_MS = 60_000;
/** Mounts are gone when the command ends. */
const ENTER = 'mount --rbind /dev "$0/dev" && mount --bind /proc "$0/proc" && exec chroot "$0" "$@"';

/** A Debian in a directory, without an init. Needs root, or sudo without a password. */
export class DebianSystem {
  private constructor(private readonly root: string) {
    onCleanup(() => asRoot('rm', ['-rf', root]).then(() => {}));
  }

  /** The essential packages of Debian 12 and others, with what they depend on. */
  static async bootstrap(packages: readonly string[]): Promise<DebianSystem> {
    const system = new DebianSystem(`${temporaryDirectory('debian')}/root`);
    const unsafeButFast = '--dpkgopt=force-unsafe-io';
    const args = ['--quiet', '--variant=essential', unsafeButFast, `--include=${packages}`, SUITE, system.root, MIRROR];
    await asRoot('mmdebstrap', args, BOOTSTRAP_DEADLINE_MS);
    return system;
  }

  async copy(): Promise<DebianSystem> {
    const system = new DebianSystem(`${temporaryDirectory('debian')}/root`);
    await asRoot('cp', ['--archive', this.root, system.root]);
    return system;
  }

  /** Puts a file of this machine into the system's root directory. */
  async give(file: string): Promise<void> {
    await asRoot('cp', [file, this.root]);
  }

  /** Starts a command in the system, as its root. */
  start(command: string, ...args: readonly string[]): SpawnedProcess {
    return spawnAs(ROOT, 'unshare', ['--mount', 'sh', '-c', ENTER, this.root, command, ...args]);
  }

  /** Runs a command in the system, as its root. @returns its stdout @throws with its output when it fails */
  run(command: string, ...args: readonly string[]): Promise<string> {
    return output(this.start(command, ...args), [command, ...args].join(' '), COMMAND_DEADLINE_MS);
  }

  async read(path: string): Promise<string> {
    return await this.run('cat', path);
  }

  /** Replaces the content of a file; its owner and mode stay. */
  async write(path: string, text: string): Promise<void> {
    await this.run('sh', '-c', 'printf %s "$1" > "$0"', path, text);
  }

  /** Every path of the system, but what dpkg and the user database keep of the past. */
  async paths(): Promise<string[]> {
    const found = await this.run(
      'find',
      '/',
      '-xdev',
      '-path',
      '/proc',
      '-prune',
      '-o',
      '-path',
      '/dev',
      '-prune',
      '-o',
      '-print',
    );
    return found
      .split('\n')
      .filter((path) => !KEPT.test(path))
      .toSorted();
  }
}

const KEPT = /^(\/var\/lib\/dpkg\/.*|\/var\/log\/dpkg\.log|\/etc\/(passwd|group|shadow|gshadow)-|\/etc\/\.pwd\.lock)$/;

function asRoot(command: string, args: readonly string[], deadlineMs = COMMAND_DEADLINE_MS): Promise<string> {
  return output(spawnAs(ROOT, command, args), command, deadlineMs);
}

async function output(process: SpawnedProcess, name: string, deadlineMs: number): Promise<string> {
  const { code } = await within(process.exited, deadlineMs, name);
  if (code !== 0) throw new Error(`${name} ended with ${code}:\n${process.lines.join('\n')}`);
  return process.stdout.join('\n');
}
