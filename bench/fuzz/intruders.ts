import { peakRssMb, rssMb } from '../lib/proc.ts';
import { type Sidecar, startSidecar } from '../lib/sidecar.ts';
import { type GuessesResult, guessPasswords, type Intruders } from './guesses.ts';

interface Flood extends Pick<Intruders, 'protocol' | 'sources'> {
  readonly what: string;
  readonly banThreshold?: number;
}

/** No source reaches it: the sidecar goes on answering. */
const NEVER = 1_000_000;
const FLOODS: readonly Flood[] = [
  { what: 'udp, one source, never banned', protocol: 'udp', sources: 1, banThreshold: NEVER },
  { what: 'udp, 1000 sources, never banned', protocol: 'udp', sources: 1000, banThreshold: NEVER },
  { what: 'udp, 200 sources, banned', protocol: 'udp', sources: 200 },
  { what: 'tcp, 100 sources, never banned', protocol: 'tcp', sources: 100, banThreshold: NEVER },
];
const SMOKE: readonly Flood[] = FLOODS.map((flood) => ({ ...flood, sources: Math.min(flood.sources, 10) }));

/** An idle sidecar settles within this time, and collects garbage after 40 s of quiet. */
const SETTLED_MS = 3000;
const CALM_MS = 65_000;

const MAX_IDLE_MB = 70;
const MAX_FLOODED_MB = 200;
const MAX_CALM_MB = 110;
/** For the median registration during a flood: T1 of RFC 3261, after which phones retransmit. */
const MAX_WAIT_MS = 500;
/** 50 a second for each reason to refuse, of which guesses have three, and a few about bans. */
const MAX_LINES_PER_SECOND = 200;

export interface IntrudersResult extends GuessesResult {
  readonly what: string;
  readonly idleMb: number;
  readonly peakMb: number;
  /** A minute later. */
  readonly calmMb: number;
  readonly linesPerSecond: number;
}

/** Floods a sidecar of its own with wrong passwords in each of several ways. @throws when a phone is not served */
export async function floodWithGuesses(binary: string, guesses: number, smoke: boolean): Promise<IntrudersResult[]> {
  const calming: Promise<IntrudersResult>[] = [];
  for (const flood of smoke ? SMOKE : FLOODS) {
    const sidecar = await start(binary, flood);
    if (!smoke) await Bun.sleep(SETTLED_MS);
    const idleMb = rssMb(sidecar);
    const lines = sidecar.process.lines.length;
    const result = await guessPasswords(sidecar, { ...flood, guesses });
    const linesPerSecond = (sidecar.process.lines.length - lines) / result.seconds;
    const peakMb = peakRssMb(sidecar);
    calming.push(
      Bun.sleep(smoke ? 0 : CALM_MS).then(async () => {
        const calmMb = rssMb(sidecar);
        await sidecar.stop();
        return { what: flood.what, idleMb, peakMb, calmMb, linesPerSecond, ...result };
      }),
    );
  }
  return Promise.all(calming);
}

/** What exceeds its bound. */
export function excesses(result: IntrudersResult): string[] {
  const { what, idleMb, peakMb, calmMb, p50Ms, linesPerSecond } = result;
  const bounds: readonly (readonly [string, number, number])[] = [
    ['MB when idle', idleMb, MAX_IDLE_MB],
    ['MB at most', peakMb, MAX_FLOODED_MB],
    ['MB a minute later', calmMb, MAX_CALM_MB],
    ['ms for a registration', p50Ms, MAX_WAIT_MS],
    ['log lines a second', linesPerSecond, MAX_LINES_PER_SECOND],
  ];
  return bounds
    .filter(([, value, bound]) => value > bound)
    .map(([unit, value, bound]) => `guesses over ${what}: ${Math.round(value)} ${unit}, above ${bound}`);
}

/** The network of the intruders and of the phone is none of its own, as those are exempt from bans. */
function start(binary: string, { banThreshold }: Flood): Promise<Sidecar> {
  return startSidecar(binary, {
    listen: ['udp', 'tcp', 'ws'],
    users: 100,
    env: {
      JAMBONES_LOGLEVEL: 'info',
      JAMBONES_NETWORK_CIDR: '10.0.0.0/8',
      ...(banThreshold !== undefined && { JAMBONES_BAN_THRESHOLD: String(banThreshold) }),
    },
  });
}
