/** Strangers who send rubbish, who never finish, who never stop: the compiled sidecar must not mind. */
import { readFileSync } from 'node:fs';
import { benchCommand, COMMON_OPTIONS } from '../command.ts';
import { Phone } from '../edge/phone.ts';
import { startSidecar } from '../edge/sidecar.ts';
import { machine } from '../register/proc.ts';
import { rssMb, settledHandles } from '../soak/samples.ts';
import { flood } from './flood.ts';
import { type ScanResult, scan } from './scan.ts';
import { slowConnections } from './slow.ts';
import { storm } from './storm.ts';

const USAGE = `Scans the compiled sidecar with --embedded for users, sends it spoilt SIP messages, opens connections that
never finish one, and floods it.

  bun bench/fuzz/index.ts [--messages 100000] [--connections 10500]

  --binary <path>     the sidecar                                             dist/sbc-sip-sidecar
  --messages <n>      over each of UDP, TCP, WS                               100000
  --connections <n>   half-open at once, over TCP and WS in turn              10500, or what the limit of files allows
  --seed <n>          of the messages; a failure says which                   by chance
  --json              the report as JSON
  --floods <n>        connections over TCP that flood it for 10 s             100
  --scan <n>          requests for users that do not exist                    50000
  --smoke             300 messages each, 200 connections, 10 floods of 1 s, a scan of 800; memory and times are not judged
  --help              this text

Exit code: 0, 1 when it ends, stops answering, keeps memory or tells users from strangers by the time of its answers,
2 for a wrong command line.`;

const PROTOCOLS = ['udp', 'tcp', 'ws'] as const;
/** Once it has been quiet for 40 s, the sidecar collects what the rush has left behind. */
const CALM_MS = 65_000;
/** Files that the sidecar opens when it first needs them; a connection that is kept would be one of hundreds. */
const LATE_HANDLES = 3;
/** What memory may have grown by, once it is calm. */
const TOLERATED_GROWTH = 1.2;
/** What strangers may differ from users by, in time: a few µs, on a machine that does other things … */
const TOLERATED_DIFFERENCE = 0.15;
/** … and so many times what users differ by from other users. */
const TOLERATED_NOISE = 3;
const FLOOD_S = 10;
/** For a registration, by half of the phones: T1 of RFC 3261, after which a phone thinks its request lost. */
const TOLERATED_WAIT_MS = 500;
/** Of messages and connections, so many come before memory is first looked at. */
const WARM_UP_SHARE = 0.2;
/** Files of our own beside the connections. */
const OWN_FILES = 200;

const OPTIONS = {
  ...COMMON_OPTIONS,
  messages: { type: 'string' },
  connections: { type: 'string' },
  floods: { type: 'string' },
  scan: { type: 'string' },
  seed: { type: 'string' },
} as const;

void benchCommand(
  USAGE,
  OPTIONS,
  ({ binary, json, smoke, ...values }) => {
    const whole = (name: 'messages' | 'connections' | 'floods' | 'scan' | 'seed', usual: number) => {
      const value = Number(values[name] ?? usual);
      if (values[name] !== '' && Number.isInteger(value) && value >= 0 && value < 2 ** 31) return value;
      throw new Error(`--${name} ${values[name]}: a whole number`);
    };
    return {
      ...{ binary, json, smoke },
      messages: whole('messages', smoke ? 300 : 100_000),
      connections: Math.min(whole('connections', smoke ? 200 : 10_500), maxFiles() - OWN_FILES),
      floods: whole('floods', smoke ? 10 : 100),
      scan: whole('scan', smoke ? 800 : 50_000),
      seed: whole('seed', Math.floor(Math.random() * 2 ** 31)),
    };
  },
  fuzz,
);

interface Settings {
  readonly binary: string;
  readonly json: boolean;
  readonly smoke: boolean;
  readonly messages: number;
  readonly connections: number;
  readonly floods: number;
  readonly scan: number;
  readonly seed: number;
}

/** What both we and the sidecar, which inherits it, may open. */
function maxFiles(): number {
  return Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024);
}

async function fuzz(settings: Settings): Promise<void> {
  const { binary, smoke, messages, connections, floods, seed } = settings;
  const sidecar = await startSidecar(binary, PROTOCOLS, { users: 100 });
  const { pid } = sidecar;
  const { udp = 0, tcp = 0, ws = 0 } = sidecar.ports;
  const ports = { udp, tcp, ws };
  const calm = async () => {
    if (!smoke) await Bun.sleep(CALM_MS);
    return { rssMb: rssMb(pid), handles: await settledHandles(pid) };
  };
  const say = (text: string) => {
    if (!settings.json) console.log(text);
  };
  say(`${machine()}\n--seed ${seed}`);

  const warmUp = Math.ceil(messages * WARM_UP_SHARE);
  for (const protocol of PROTOCOLS) await storm(protocol, ports, warmUp, seed);
  if (!smoke) await slowConnections({ pid, ports }, Math.ceil(connections * WARM_UP_SHARE));
  const start = await calm();
  say(`after ${warmUp} messages over each transport: ${JSON.stringify(start)}`);

  const scanned = await scan({ pid, port: udp }, settings.scan, smoke ? 10 : 400);
  say(`scan: ${JSON.stringify(scanned)}`);

  const storms = [];
  for (const protocol of PROTOCOLS) {
    const began = performance.now();
    const result = await storm(protocol, ports, messages, (seed + warmUp) % 2 ** 31);
    const seconds = (performance.now() - began) / 1000;
    storms.push({ protocol, ...result, seconds, rssMb: rssMb(pid) });
    say(`${protocol}: ${JSON.stringify(storms[storms.length - 1])}`);
  }
  const slow = await slowConnections({ pid, ports }, connections);
  say(`slow connections: ${JSON.stringify(slow)}`);
  const flooded = await flood(ports, floods, smoke ? 1 : FLOOD_S);
  say(`floods: ${JSON.stringify(flooded)}`);
  const end = await calm();
  say(`in the end: ${JSON.stringify(end)}`);

  const phone = await Phone.open('tcp', tcp, 5);
  await phone.register();
  phone.close();
  await sidecar.stop();
  const { code } = await sidecar.process.exited;
  const faults = [
    ...(code === 0 ? [] : [`it ended with ${code}`]),
    ...(end.handles > start.handles + LATE_HANDLES ? [`${end.handles} handles instead of ${start.handles}`] : []),
    ...(!smoke && end.rssMb > start.rssMb * TOLERATED_GROWTH ? ['memory has grown'] : []),
    ...(smoke ? [] : toldApart(scanned)),
    ...(!smoke && flooded.p50Ms > TOLERATED_WAIT_MS ? ['phones waited while it was flooded'] : []),
    ...sidecar.process.lines.filter((line) => /"level":"(error|fatal)"/.test(line)).map((line) => `it logged: ${line}`),
  ];
  if (settings.json)
    console.log(
      JSON.stringify({ machine: machine(), settings, start, storms, slow, flooded, scanned, end, faults }, null, 2),
    );
  for (const fault of faults) say(`failed: ${fault}`);
  say(faults.length === 0 ? 'every sound request was answered, nothing was kept' : `${faults.length} failed`);
  if (faults.length > 0) process.exitCode = 1;
}

/** By which questions a scanner could tell users from strangers. */
function toldApart({ timings }: ScanResult): string[] {
  return timings
    .filter(({ difference, noise }) => difference > TOLERATED_DIFFERENCE + TOLERATED_NOISE * noise)
    .map(({ what }) => `${what} takes another time for strangers than for users`);
}
