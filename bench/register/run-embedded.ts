import { join } from 'node:path';
import { freePort } from '../../test/support/net.ts';
import { binaryFlag, jsonFlag, runBenchmark } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';
import { portOf } from '../lib/server.ts';
import { REALM, startSidecar } from '../lib/sidecar.ts';
import { Scraper } from './scraper.ts';
import { paceSettings, WORKS } from './settings.ts';

const GENERATOR = join(import.meta.dir, 'index.ts');

void runBenchmark({
  about: `Starts the compiled sidecar with --embedded on a free port and loads it with bench/register/index.ts.

  bun bench/register/run-embedded.ts [--work full] [--rate 1000] [--smoke]`,
  failsWhen: 'no run of a kind of work counts or the sidecar does not start',
  settings,
  run,
});

function settings(flags: Flags) {
  return {
    binary: binaryFlag(flags),
    works: flags.choices('work', WORKS, { value: 'kind', help: `repeatable; ${WORKS.join(', ')}` }),
    users: flags.whole('users', { help: 'clients of the one account', default: 1000, max: 10_000_000 }),
    smoke: flags.toggle('smoke', 'each kind of work once, for 2 s at 50/s'),
    pace: paceSettings(flags),
    scrape: flags.number('scrape', {
      value: 's',
      help: 'scrape the metrics this often, and print how long it takes; 0: the sidecar keeps none',
      default: 0,
      min: 0,
    }),
    json: jsonFlag(flags),
  };
}

async function run({ binary, works, users, pace, scrape, json }: ReturnType<typeof settings>): Promise<void> {
  // Variables of the sidecar pass through.
  const env = Object.fromEntries(Object.entries(process.env).map(([name, value = '']) => [name, value]));
  const httpPort = scrape > 0 ? await freePort() : undefined;
  if (httpPort !== undefined) env.HTTP_PORT = String(httpPort);
  const sidecar = await startSidecar(binary, { listen: ['udp'], users, env });
  const flags = ['--target', `embedded=127.0.0.1:${portOf(sidecar, 'udp')}`, '--pid', `sidecar=${sidecar.pid}`];
  flags.push('--realm', REALM, '--users', String(users));
  for (const [name, value] of Object.entries(pace)) flags.push(`--${name}`, String(value));
  if (json) flags.push('--json');
  for (const work of works) {
    const scraper = httpPort && new Scraper(`http://127.0.0.1:${httpPort}/metrics`, scrape * 1000);
    const code = await generate([...flags, '--work', work]);
    if (scraper) process.stderr.write(`${scraper.stop()}\n`);
    if (code !== 0) process.exitCode = code;
  }
  await sidecar.stop();
}

/** Runs the load in a process of its own, whose CPU is not the sidecar's. Resolves with its exit code. */
function generate(args: readonly string[]): Promise<number> {
  return Bun.spawn([process.execPath, GENERATOR, ...args], { stdio: ['ignore', 'inherit', 'inherit'] }).exited;
}
