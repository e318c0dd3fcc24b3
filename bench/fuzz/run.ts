/**
 * Runs test/edge/fuzz.test.ts with a new seed each time, until one fails or the time is over:
 * `bun bench/fuzz/run.ts [minutes]`, by default 10.
 */
const MESSAGES_PER_ROUND = 10_000;
const minutes = Number(process.argv[2] ?? 10);
if (!(minutes > 0)) {
  process.stderr.write('usage: bun bench/fuzz/run.ts [minutes]\n');
  process.exit(2);
}

const end = performance.now() + minutes * 60_000;
let rounds = 0;
while (performance.now() < end && process.exitCode === undefined) {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const round = Bun.spawn([process.execPath, 'test', 'test/edge/fuzz.test.ts'], {
    cwd: new URL('../..', import.meta.url).pathname,
    env: { ...process.env, EDGE_FUZZ_MESSAGES: String(MESSAGES_PER_ROUND), EDGE_FUZZ_SEED: String(seed) },
    stdout: 'ignore',
    stderr: 'pipe',
  });
  const output = await new Response(round.stderr).text();
  rounds++;
  if ((await round.exited) !== 0) {
    process.stdout.write(`${output}\nfailed: EDGE_FUZZ_SEED=${seed} EDGE_FUZZ_MESSAGES=${MESSAGES_PER_ROUND}\n`);
    process.exitCode = 1;
  } else
    process.stdout.write(`round ${rounds}: ${MESSAGES_PER_ROUND} messages a transport, seed ${seed}: all is well\n`);
}
