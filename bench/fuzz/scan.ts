import { median, Prober } from '../../test/e2e/scanners-probe.ts';
import { Phone } from '../lib/phone.ts';
import { rssMb } from '../lib/proc.ts';
import { portOf, type Server } from '../lib/server.ts';
import { REALM } from '../lib/sidecar.ts';

/** Scanners at once, each with one request under way. */
const SCANNERS = 8;
/** Requests of each scanner between two registrations of a phone. */
const A_ROUND = 50;
/** Users and strangers that are asked for by turns, all names of one length. */
const NAMES = 40;

export interface ScanResult {
  /** REGISTERs for names that do not exist. */
  readonly requests: number;
  /** What memory had grown by after the last one, for each of them. */
  readonly kbPerRequest: number;
  readonly timings: readonly Timing[];
}

/** Median times from a request to its answer, µs. */
interface Timing {
  readonly what: string;
  readonly user: number;
  /** Of other users: how far it is from `user` is noise. */
  readonly otherUser: number;
  readonly stranger: number;
  /** How far strangers are from users, as a share of the time for users. */
  readonly difference: number;
  readonly noise: number;
}

/**
 * Looks for users like a scanner, while a phone registers; then compares the times of answers about users and strangers.
 * @throws when a request is not answered
 */
export async function scan(server: Server, requests: number, rounds: number): Promise<ScanResult> {
  const port = portOf(server, 'udp');
  const before = rssMb(server);
  const sent = await search(port, requests);
  const kbPerRequest = sent === 0 ? 0 : ((rssMb(server) - before) * 1024) / sent;
  return {
    requests: sent,
    kbPerRequest,
    timings: [
      await compare(port, 'asking for a challenge', rounds, (prober, name) => prober.ask(name)),
      await compare(port, 'a wrong password', rounds, (prober, name) => prober.guess(name)),
    ],
  };
}

async function search(port: number, requests: number): Promise<number> {
  const phone = await Phone.open('udp', port, 8);
  const probers = await Promise.all(Array.from({ length: SCANNERS }, () => Prober.open({ port }, REALM)));
  let sent = 0;
  try {
    while (sent < requests) {
      await Promise.all(
        probers.map(async (prober) => {
          for (let i = 0; i < A_ROUND; i++) await prober.ask(`extension${sent++}`);
        }),
      );
      await phone.register();
    }
  } finally {
    phone.close();
    for (const prober of probers) prober[Symbol.dispose]();
  }
  return sent;
}

async function compare(
  port: number,
  what: string,
  rounds: number,
  probe: (prober: Prober, name: string) => Promise<{ readonly ms: number }>,
): Promise<Timing> {
  using prober = await Prober.open({ port }, REALM);
  const kinds = [
    { name: (n: number) => `user${10 + n}`, times: [] as number[] },
    { name: (n: number) => `none${10 + n}`, times: [] as number[] },
    { name: (n: number) => `user${50 + n}`, times: [] as number[] },
  ] as const;
  for (let round = 0; round < rounds; round++) {
    // The first of a round has another time than the last: each is first as often.
    for (let turn = 0; turn < kinds.length; turn++) {
      const kind = kinds[(round + turn) % kinds.length];
      kind?.times.push(1000 * (await probe(prober, kind.name(round % NAMES))).ms);
    }
  }
  const [user, stranger, otherUser] = [median(kinds[0].times), median(kinds[1].times), median(kinds[2].times)];
  const users = (user + otherUser) / 2;
  return {
    what,
    user,
    otherUser,
    stranger,
    difference: Math.abs(stranger - users) / users,
    noise: Math.abs(user - otherUser) / users,
  };
}
