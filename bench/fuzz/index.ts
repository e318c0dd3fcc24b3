import { readFileSync } from 'node:fs';
import { binaryFlag, jsonFlag, type Report, runBenchmark } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';
import { Phone } from '../lib/phone.ts';
import { rssMb, settledHandles } from '../lib/proc.ts';
import { portOf } from '../lib/server.ts';
import { startSidecar } from '../lib/sidecar.ts';
import { flood } from './flood.ts';
import { excesses, floodWithGuesses } from './intruders.ts';
import { type ScanResult, scan } from './scan.ts';
import { slowConnections } from './slow.ts';
import { storm } from './storm.ts';

const MAX_INT32 = 2 ** 31 - 1;
const PROTOCOLS = ['udp', 'tcp', 'ws'] as const;
/** The sidecar collects garbage after 40 s of quiet. */
const CALM_MS = 65_000;
/** Files that the sidecar opens on first use; leaked connections would be hundreds. */
const LATE_HANDLES = 3;
const TOLERATED_GROWTH = 1.2;
/** What strangers may differ from users by, in time: a few µs, on a machine that does other things … */
const TOLERATED_DIFFERENCE = 0.15;
/** … and so many times what users differ by from other users. */
const TOLERATED_NOISE = 3;
const FLOOD_S = 10;
/** For the median registration during a flood: T1 of RFC 3261, after which phones retransmit. */
const TOLERATED_WAIT_MS = 500;
/** Share of the messages and connections that precede the first look at memory. */
const WARM_UP_SHARE = 0.2;
const OWN_FILES = 200;

void runBenchmark({
  about: `Scans the compiled sidecar with --embedded for users, sends it malformed SIP messages, opens connections that never
complete a message, and floods it.

  bun bench/fuzz/index.ts [--messages 100000] [--connections 10500]`,
  failsWhen: 'it ends, stops answering, keeps memory, or tells users from strangers by the time of its answers',
  settings,
  run: fuzz,
});

function settings(flags: Flags) {
  return {
    binary: binaryFlag(flags),
    messages: flags.whole('messages', {
      help: 'over each of UDP, TCP, WS',
      default: 100_000,
      smoke: 300,
      min: 0,
      max: MAX_INT32,
    }),
    connections: Math.min(
      flags.whole('connections', {
        help: 'half-open at once, over TCP and WS in turn; fewer if the\nlimit of open files requires it',
        default: 10_500,
        smoke: 200,
        min: 0,
      }),
      maxFiles() - OWN_FILES,
    ),
    floods: flags.whole('floods', {
      help: 'connections over TCP that flood it for 10 s',
      default: 100,
      smoke: 10,
      min: 0,
    }),
    scan: flags.whole('scan', {
      help: 'requests for users that do not exist',
      default: 50_000,
      smoke: 800,
      min: 0,
    }),
    guesses: flags.whole('guesses', {
      help: 'wrong passwords in each of four floods',
      default: 100_000,
      smoke: 100,
      min: 0,
    }),
    seed: flags.whole('seed', {
      help: 'of the messages; a failure names it',
      default: Math.floor(Math.random() * MAX_INT32),
      shownDefault: 'random',
      min: 0,
      max: MAX_INT32,
    }),
    json: jsonFlag(flags),
    smoke: flags.toggle(
      'smoke',
      '300 messages each, 200 connections, 10 floods of 1 s, a scan of 800,\n100 guesses; memory and times are not judged',
    ),
  };
}

type Settings = ReturnType<typeof settings>;

function maxFiles(): number {
  return Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024);
}

async function fuzz(settings: Settings): Promise<Report> {
  const { binary, smoke, messages, connections, floods, seed } = settings;
  const sidecar = await startSidecar(binary, {
    listen: PROTOCOLS,
    users: 100,
    env: { JAMBONES_LOGLEVEL: 'error' },
  });
  const calm = async () => {
    if (!smoke) await Bun.sleep(CALM_MS);
    return { rssMb: rssMb(sidecar), handles: await settledHandles(sidecar) };
  };
  const say = (text: string) => {
    if (!settings.json) console.log(text);
  };
  say(`--seed ${seed}`);

  const warmUp = Math.ceil(messages * WARM_UP_SHARE);
  for (const protocol of PROTOCOLS) await storm(sidecar, protocol, warmUp, seed);
  if (!smoke) await slowConnections(sidecar, Math.ceil(connections * WARM_UP_SHARE));
  const start = await calm();
  say(`after ${warmUp} messages over each transport: ${JSON.stringify(start)}`);

  const scanned = await scan(sidecar, settings.scan, smoke ? 10 : 400);
  say(`scan: ${JSON.stringify(scanned)}`);

  const storms = [];
  for (const protocol of PROTOCOLS) {
    const began = performance.now();
    const result = await storm(sidecar, protocol, messages, (seed + warmUp) % 2 ** 31);
    const seconds = (performance.now() - began) / 1000;
    storms.push({ protocol, ...result, seconds, rssMb: rssMb(sidecar) });
    say(`${protocol}: ${JSON.stringify(storms[storms.length - 1])}`);
  }
  const slow = await slowConnections(sidecar, connections);
  say(`slow connections: ${JSON.stringify(slow)}`);
  const flooded = await flood(sidecar, floods, smoke ? 1 : FLOOD_S);
  say(`floods: ${JSON.stringify(flooded)}`);
  const end = await calm();
  say(`in the end: ${JSON.stringify(end)}`);

  const phone = await Phone.open('tcp', portOf(sidecar, 'tcp'), 5);
  await phone.register();
  phone.close();
  const code = await sidecar.stop();
  const faults = sidecar.complaints().map((line) => `it logged: ${line}`);
  if (code !== 0) faults.push(`it ended with ${code}`);
  if (end.handles > start.handles + LATE_HANDLES) faults.push(`${end.handles} handles instead of ${start.handles}`);
  if (!smoke && end.rssMb > start.rssMb * TOLERATED_GROWTH) faults.push('memory has grown');
  if (!smoke) faults.push(...toldApart(scanned));
  if (!smoke && flooded.p50Ms > TOLERATED_WAIT_MS) faults.push('phones waited while it was flooded');
  const guessed = settings.guesses > 0 ? await floodWithGuesses(binary, settings.guesses, smoke) : [];
  for (const result of guessed) say(`guesses: ${JSON.stringify(result)}`);
  if (!smoke) faults.push(...guessed.flatMap(excesses));
  return {
    figures: { settings, start, storms, slow, flooded, scanned, end, guessed },
    text: faults.length === 0 ? 'every sound request was answered, nothing was kept' : `${faults.length} failed`,
    faults,
  };
}

/** By which questions a scanner could tell users from strangers. */
function toldApart({ timings }: ScanResult): string[] {
  return timings
    .filter(({ difference, noise }) => difference > TOLERATED_DIFFERENCE + TOLERATED_NOISE * noise)
    .map(({ what }) => `${what} takes another time for strangers than for users`);
}
