import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const USAGE = `Starts the compiled sidecar with --embedded on a free port and loads it with bench/register/index.ts.

  bun bench/register/run-embedded.ts [--work full] [--smoke] [flags of index.ts: --rate --seconds --runs …]

  --binary <path>   the sidecar                                       dist/sbc-sip-sidecar
  --work <kind>     repeatable; full, refresh, options, unregister    all four, one after the other
  --users <n>       clients of the one account                        1000
  --smoke           each kind of work once, for 2 s at 50/s
  --rate, --concurrency, --seconds, --warmup, --runs, --sources, --json   as index.ts has them
  --help            this text

Exit code: 0, 1 when no run of a kind of work counts or the sidecar does not start, 2 for a wrong command line.`;

/** What the sidecar's banner says about its UDP socket once it listens; the end is asked for too, output comes in pieces. */
const BANNER_UDP = /\budp\/(127\.0\.0\.1:[1-9]\d*)(?=[\s,])/;

/** A start takes well under a second; provisioning very many clients takes longer. */
const START_MS = 60_000;

/** A little longer than the sidecar's own grace for requests in flight. */
const STOP_MS = 8000;

const REALM = 'sidecar.test';
const WORKS = ['full', 'refresh', 'options', 'unregister'];
const GENERATOR = join(import.meta.dir, 'index.ts');

/** So little that 0.1 % of it is less than one: a single wrong or missing answer fails the smoke test. */
const SMOKE = ['--rate', '50', '--seconds', '2', '--warmup', '0.5', '--runs', '1', '--sources', '20'];

void main();

async function main(): Promise<void> {
  const values = readArgs();
  if (!values) return;
  const { binary, users, work, smoke, ...passed } = values;
  const flags = Object.entries(passed).flatMap(([name, value]) =>
    typeof value === 'string' ? [`--${name}`, value] : [`--${name}`],
  );
  const directory = await mkdtemp(join(tmpdir(), 'sidecar-bench-'));
  try {
    const sidecar = await startSidecar(resolve(binary), directory, Number(users));
    try {
      for (const kind of work) {
        const code = await generate([
          ...['--target', `embedded=${sidecar.address}`, '--pid', `sidecar=${sidecar.pid}`],
          ...['--realm', REALM, '--users', users, '--work', kind, ...(smoke ? SMOKE : []), ...flags],
        ]);
        if (code !== 0) process.exitCode = code;
      }
    } finally {
      await sidecar.stop();
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function readArgs() {
  try {
    const { help, ...values } = parseArgs({
      options: {
        binary: { type: 'string', default: 'dist/sbc-sip-sidecar' },
        work: { type: 'string', multiple: true, default: WORKS },
        users: { type: 'string', default: '1000' },
        smoke: { type: 'boolean', default: false },
        rate: { type: 'string' },
        concurrency: { type: 'string' },
        seconds: { type: 'string' },
        warmup: { type: 'string' },
        runs: { type: 'string' },
        sources: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', default: false },
      },
    }).values;
    if (!/^[1-9]\d*$/.test(values.users)) throw new Error(`--users ${values.users}: must be a whole number over 0`);
    if (!help) return values;
    console.log(USAGE);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    process.exitCode = 2;
  }
  return undefined;
}

/** The load in a process of its own, so that its CPU is not taken for the sidecar's. Resolves with its exit code. */
function generate(args: readonly string[]): Promise<number> {
  return Bun.spawn([process.execPath, GENERATOR, ...args], { stdio: ['ignore', 'inherit', 'inherit'] }).exited;
}

async function startSidecar(binary: string, directory: string, users: number) {
  const provision = join(directory, 'provision.toml');
  await writeFile(provision, provisioning(users));
  const data = join(directory, 'data');
  const args = ['serve', '--embedded', '--sip', 'udp/127.0.0.1:0', '--data', data, '--provision', provision];
  const child = Bun.spawn([binary, ...args], {
    env: { ...process.env, SBC_SOCKET_PATH: join(directory, 'admin.sock') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = async () => {
    child.kill('SIGTERM');
    const timeout = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await child.exited;
    clearTimeout(timeout);
  };
  try {
    return { pid: child.pid, address: await bannerAddress(child), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Waits for the banner on either output; both are read to their end, so that a full pipe never holds the sidecar up. */
function bannerAddress(child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = '';
    const fail = (why: string) => reject(new Error(`the sidecar ${why}; it printed:\n${printed}`));
    const timeout = setTimeout(() => fail(`did not name a UDP address within ${START_MS / 1000} s`), START_MS);
    let found = false;
    const read = async (stream: ReadableStream<Uint8Array>) => {
      const decoder = new TextDecoder();
      for await (const chunk of stream) {
        if (found) continue;
        printed += decoder.decode(chunk, { stream: true });
        const address = BANNER_UDP.exec(printed)?.[1];
        if (!address) continue;
        found = true;
        clearTimeout(timeout);
        resolve(address);
      }
    };
    Promise.all([read(child.stdout), read(child.stderr), child.exited]).then(([, , code]) => {
      clearTimeout(timeout);
      fail(`ended with code ${code}`);
    }, reject);
  });
}

/** One account with the users that the generator's default patterns name. */
function provisioning(users: number): string {
  const clients = Array.from({ length: users }, (_, i) => {
    return `[[account.client]]\nusername = "user${i + 1}"\npassword = "secret${i + 1}"\n`;
  });
  return `[[account]]\nrealm = "${REALM}"\n${clients.join('')}`;
}
