import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sidecarBinary } from '../support/binary.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { readDockerfile, type Stage } from '../support/dockerfile.ts';
import { eventually } from '../support/eventually.ts';
import { type SpawnedProcess, spawnProcess } from '../support/process.ts';
import { configured } from '../support/secrets.ts';
import { ROOT as ROOT_USER, spawnAs } from '../support/users.ts';

export const REPOSITORY = new URL('../../', import.meta.url).pathname;
const DOWNLOAD_DEADLINE_MS = 60_000;
const COMMAND_DEADLINE_MS = 30_000;
/** What gcr.io/distroless/base-debian12 consists of, besides libssl3. */
const PACKAGES = ['libc6', 'base-files', 'ca-certificates', 'netbase', 'tzdata'];
/** As the base image has them. */
const BASE_FILES = {
  '/etc/passwd':
    'root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n',
  '/etc/group': 'root:x:0:\nnobody:x:65534:\ntty:x:5:\nstaff:x:50:\nnonroot:x:65532:\n',
  '/etc/nsswitch.conf': 'hosts: files dns\n',
};
const BASE_ENV = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  SSL_CERT_FILE: '/etc/ssl/certs/ca-certificates.crt',
  HOME: '/home/nonroot',
};

/** Makes the root read-only but for the volumes, and becomes the program in `"$@"`. */
const ENTER = `
root=$1 owner=$2 volumes=$3; shift 3
mount --bind "$root" "$root"
mount -o remount,ro,bind "$root"
for volume in $volumes; do mount -t tmpfs -o "mode=700,$owner" tmpfs "$root$volume"; done
mount -t proc proc "$root/proc"
exec "$@"`;

interface ContainerOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The image of Dockerfile.distroless, with Debian's packages in a directory in the place of its base. */
export class Image {
  readonly #root = temporaryDirectory('image');

  private constructor(readonly stage: Stage) {}

  static async build(): Promise<Image> {
    const stage = readDockerfile(join(REPOSITORY, 'Dockerfile.distroless')).at(-1);
    if (!stage) throw new Error('Dockerfile.distroless has no stage');
    const image = new Image(stage);
    await image.#unpackBase();
    const binary = await sidecarBinary();
    for (const { sources, destination, owner } of stage.copies) {
      const path = join(image.#root, destination);
      mkdirSync(owner === undefined ? dirname(path) : path, { recursive: true });
      if (sources[0] === '/out/sbc-sip-sidecar') copyFileSync(binary, path);
    }
    // Any user may look into a container's root.
    chmodSync(image.#root, 0o755);
    return image;
  }

  /** Puts a file into the root, as a bind mount does. */
  write(path: string, content: string): void {
    const there = join(this.#root, path);
    mkdirSync(dirname(there), { recursive: true });
    writeFileSync(there, content);
  }

  /** Starts a container: process 1 of its own, the root read-only. `args` replace CMD. */
  start({ args = this.stage.cmd, env = {} }: ContainerOptions = {}): Container {
    configured(env);
    const [uid, gid] = (this.stage.user ?? '').split(':');
    const command = this.#command([...this.stage.entrypoint, ...args], env);
    const enter = ['sh', '-ec', ENTER, 'sh', this.#root, `uid=${uid},gid=${gid}`, this.stage.volumes.join(' ')];
    const isolated = ['--mount', '--pid', '--fork', '--kill-child', ...enter, ...command];
    return new Container(spawnAs(ROOT_USER, 'unshare', isolated), (words) => this.#command(words, env));
  }

  /** A command in the root, with the user and environment of the image. */
  #command(words: readonly string[], env: Readonly<Record<string, string>>): string[] {
    const variables = Object.entries({ ...BASE_ENV, ...this.stage.env, ...env });
    const chroot = ['/usr/sbin/chroot', `--userspec=${this.stage.user}`, '--groups=', this.#root];
    return ['env', '-i', ...variables.map(([name, value]) => `${name}=${value}`), ...chroot, ...words];
  }

  async #unpackBase(): Promise<void> {
    const downloads = temporaryDirectory('packages');
    const download = () => ended(spawnProcess('apt-get', ['download', ...PACKAGES], { cwd: downloads }));
    if ((await download()).code !== 0) {
      await ended(spawnAs(ROOT_USER, 'apt-get', ['update']));
      const { code, lines } = await download();
      if (code !== 0) throw new Error(`Debian's packages ${PACKAGES} cannot be fetched:\n${lines.join('\n')}`);
    }
    for (const file of readdirSync(downloads)) {
      const { code, lines } = await ended(spawnProcess('dpkg-deb', ['-x', join(downloads, file), this.#root]));
      if (code !== 0) throw new Error(`dpkg-deb -x ${file}:\n${lines.join('\n')}`);
    }
    for (const [path, content] of Object.entries(BASE_FILES)) this.write(path, content);
    this.write('/etc/ssl/certs/ca-certificates.crt', this.#certificates());
    for (const directory of ['proc', 'home/nonroot', 'tmp'])
      mkdirSync(join(this.#root, directory), { recursive: true });
  }

  #certificates(): string {
    const directory = join(this.#root, 'usr/share/ca-certificates/mozilla');
    return readdirSync(directory)
      .map((file) => readFileSync(join(directory, file), 'utf8'))
      .join('');
  }
}

export class Container {
  constructor(
    readonly process: SpawnedProcess,
    private readonly command: (words: readonly string[]) => readonly string[],
  ) {
    onCleanup(() => this.process.kill('SIGKILL'));
  }

  /** Runs a command beside process 1, as `docker exec` does. */
  async exec(words: readonly string[]) {
    const target = ['--target', String(await this.#first()), '--mount', '--pid'];
    return ended(spawnAs(ROOT_USER, 'nsenter', [...target, ...this.command(words)]));
  }

  /** Sends SIGTERM to process 1, as `docker stop` does. @returns its exit code */
  async stop(): Promise<number | null> {
    await ended(spawnAs(ROOT_USER, 'kill', ['-TERM', String(await this.#first())]));
    return (await within(this.process.exited, COMMAND_DEADLINE_MS, 'end of the container')).code;
  }

  /** Process 1, by its id out here: the last descendant of ours. */
  #first(): Promise<number> {
    return eventually('process 1 of the container', () => {
      let pid: number = this.process.pid;
      for (let child = childOf(pid); child !== undefined; child = childOf(pid)) pid = child;
      return pid === this.process.pid ? undefined : pid;
    });
  }
}

function childOf(pid: number): number | undefined {
  const [first = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
  return first === '' ? undefined : Number(first);
}

/** Waits for the end of a command. */
export async function ended(command: SpawnedProcess) {
  const { code } = await within(command.exited, DOWNLOAD_DEADLINE_MS, 'end of a command');
  const { lines, stdout, stderr } = command;
  return { code, lines, stdout: stdout.join('\n'), stderr: stderr.join('\n') };
}
