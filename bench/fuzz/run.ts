import { type Report, runBenchmark } from '../lib/command.ts';

const MESSAGES_PER_ROUND = 10_000;

void runBenchmark({
  about: `Runs test/edge/fuzz.test.ts with a new seed each time, until one fails or the time is over.

  bun bench/fuzz/run.ts [--minutes 10]`,
  failsWhen: 'a round fails',
  settings: (flags) => ({ minutes: flags.number('minutes', { help: 'length', default: 10 }) }),
  run: fuzz,
});

async function fuzz({ minutes }: { minutes: number }): Promise<Report> {
  const end = performance.now() + minutes * 60_000;
  const faults: string[] = [];
  let rounds = 0;
  while (performance.now() < end && faults.length === 0) {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const round = Bun.spawn([process.execPath, 'test', 'test/edge/fuzz.test.ts'], {
      cwd: new URL('../..', import.meta.url).pathname,
      env: { ...process.env, EDGE_FUZZ_MESSAGES: String(MESSAGES_PER_ROUND), EDGE_FUZZ_SEED: String(seed) },
      stdout: 'ignore',
      stderr: 'pipe',
    });
    const output = await round.stderr.text();
    rounds++;
    if ((await round.exited) !== 0)
      faults.push(`EDGE_FUZZ_SEED=${seed} EDGE_FUZZ_MESSAGES=${MESSAGES_PER_ROUND}\n${output}`);
  }
  return { figures: { rounds }, text: `${rounds} rounds of ${MESSAGES_PER_ROUND} messages a transport`, faults };
}
