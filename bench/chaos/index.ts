import { binaryFlag, jsonFlag, type Report, runBenchmark } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';
import { Random } from '../lib/random.ts';
import { REALM } from '../lib/sidecar.ts';
import { Audit, contradictions } from './audit.ts';
import { inject } from './inject.ts';
import { Load } from './load.ts';
import { type Outcome, textOf, toJson } from './report.ts';
import { scheduleOf } from './schedule.ts';
import { startWorld } from './world.ts';

const AUDIT_MS = 5_000;
const WHOLE_MS = 60_000;

void runBenchmark({
  about: `Registers phones with three sidecars behind drachtio, on Redis (three sentinels, a primary, two replicas) and MariaDB,
while all of these are killed, paused and restarted, and checks that no registration that was answered 200 is lost.

  bun bench/chaos/index.ts [--seconds 180] [--rate 300] [--seed 1]`,
  failsWhen: 'a registration is lost, a 200 is wrong, or a sidecar fails by itself',
  settings,
  run: chaos,
});

function settings(flags: Flags) {
  return {
    binary: binaryFlag(flags),
    seconds: flags.whole('seconds', { help: 'length', default: 180, smoke: 60, min: 20, max: 3600 }),
    rate: flags.number('rate', { help: 'REGISTERs a second', default: 300 }),
    seed: flags.whole('seed', { help: 'of the schedule of faults, and of what phones do', default: 1, min: 0 }),
    users: flags.whole('users', { help: 'phones', default: 5000 }),
    drachtio: flags.optionalText('drachtio', {
      value: 'path',
      help: 'a drachtio server; without it, the double of the tests',
    }),
    logs: flags.optionalText('logs', { value: 'directory', help: 'where the logs of the sidecars are kept' }),
    json: jsonFlag(flags),
    smoke: flags.toggle('smoke', '60 s'),
  };
}

export type Settings = ReturnType<typeof settings>;

async function chaos(settings: Settings): Promise<Report> {
  const { rate, seconds, seed } = settings;
  await using open = new AsyncDisposableStack();
  const world = await startWorld(settings);
  const { sidecars, failovers, drachtio, users } = world;
  open.use(failovers);
  const load = await Load.open({ target: drachtio.sip, realm: REALM, users });
  open.defer(() => load.close());
  const audit = new Audit(load.phones, failovers);
  const [injected] = await Promise.all([
    inject(world, scheduleOf(seed, seconds)),
    load.run(rate, seconds, new Random(seed)),
    auditMeanwhile(audit, seconds),
  ]);

  const faults: string[] = [];
  await Promise.all(sidecars.map((sidecar) => sidecar.ready()));
  const whole = await failovers.untilWhole(WHOLE_MS);
  if (whole) {
    await audit.compare();
    faults.push(...(await contradictions(whole.primary.client, load.phones, REALM)));
  } else faults.push('Redis is not whole at the end');
  for (const sidecar of sidecars) {
    await sidecar.kill('SIGTERM');
    if (settings.logs !== undefined) await Bun.write(`${settings.logs}/${sidecar.name}.log`, sidecar.log());
  }

  faults.push(...load.counts.flaws, ...audit.examples, ...sidecars.flatMap((sidecar) => sidecar.faults()));
  const sinceStart = (at: number) => at - load.startedAt;
  const outcome: Outcome = {
    counts: load.counts,
    audit,
    failovers: failovers.count,
    changes: failovers.changes.map(({ at, ...change }) => ({ ...change, at: sinceStart(at) })),
    lossy: failovers.lossy.map(({ from, until }) => ({ from: sinceStart(from), until: sinceStart(until) })),
    injected,
    complaints: sidecars.map((sidecar) => sidecar.complaints()),
  };
  if (audit.lost > 0) faults.push(`${audit.lost} registrations are lost`);
  return { figures: toJson(settings, outcome), text: textOf(settings, outcome), faults };
}

/** A loss would be hidden by the phone's next registration, so phones are compared all the time. */
async function auditMeanwhile(audit: Audit, seconds: number): Promise<void> {
  for (let at = AUDIT_MS; at < seconds * 1000; at += AUDIT_MS) {
    await Bun.sleep(AUDIT_MS);
    await audit.compare();
  }
}
