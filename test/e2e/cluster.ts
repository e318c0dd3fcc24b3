import { insertCarrier } from '../support/carriers.ts';
import { eventually } from '../support/eventually.ts';
import { sharedMariadb } from '../support/mariadb.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { Registrar } from '../support/sip-registrar.ts';
import { isLeading, leading, QUICK, trunksOf } from './outbound.ts';
import { outsideStores, type RunningSidecar, startEmbedded } from './sidecar.ts';

const TRUNKS = 25;
/** Seconds; refreshed at half of it. */
const GRANTED = 2;

export interface Member extends RunningSidecar {
  /** Its User-Agent. */
  readonly name: string;
}

/** Two sidecars on one Redis and one MariaDB, and the registrar of all their trunks. */
export interface Cluster {
  readonly redis: RedisServer;
  readonly peer: SipPeer;
  /** The one that registers at the start, and the other. */
  readonly holder: Member;
  readonly other: Member;
  /** The sids of all gateways. */
  readonly gateways: ReadonlySet<string>;
  /** Resolves when each trunk was registered again, by whomever, after the first `from` requests. */
  allRegisteredSince(from: number, deadlineMs?: number): Promise<void>;
  /** Resolves when a member has all trunks registered. */
  allRegisteredBy(member: Member, deadlineMs?: number): Promise<void>;
  /** Who sent requests, as often as it changed. */
  senders(): string[];
  stop(): Promise<void>;
}

/** Starts it; resolves when all is registered. @param granted seconds, 2 unless given */
export async function startCluster(granted = GRANTED): Promise<Cluster> {
  const [redis, mariadb] = await Promise.all([startRedis(), sharedMariadb()]);
  const registrar = new Registrar({ password: () => 'pass', grant: () => granted });
  const peer = await SipPeer.start(registrar.script);
  const carriers = await Promise.all(
    Array.from({ length: TRUNKS }, (_, i) =>
      insertCarrier({ register_username: `line-${i}` }, { ipv4: peer.host, port: peer.port }),
    ),
  );
  const gateways = new Set(carriers.flatMap((carrier) => carrier.gateways));
  const join = async (name: string): Promise<Member> => {
    const env = { ...outsideStores(redis, mariadb, 's'), ...QUICK, JAMBONES_REGBOT_USER_AGENT: name };
    return { name, ...(await startEmbedded({ env })) };
  };
  const members = await Promise.all([join('sidecar A'), join('sidecar B')]);
  const [one, two] = members;
  await Promise.any(members.map((member) => leading(member)));
  const [holder, other] = (await isLeading(one)) ? [one, two] : [two, one];

  const allRegisteredBy = async (member: Member, deadlineMs = 5000) => {
    await eventually(
      `all registered by ${member.name}`,
      async () => {
        const trunks = await trunksOf(member);
        return (trunks.length === TRUNKS && trunks.every(({ state }) => state === 'registered')) || undefined;
      },
      { deadlineMs },
    );
  };
  await allRegisteredBy(holder);
  return {
    ...{ redis, peer, holder, other, gateways, allRegisteredBy },
    async allRegisteredSince(from, deadlineMs = 5000) {
      const missing = () => {
        // The one with credentials is the one that was granted.
        const granted = peer.requests.slice(from).filter((r) => r.header('Authorization') !== undefined);
        const again = new Set(granted.map((r) => r.header('Call-ID')));
        return [...gateways].filter((gateway) => !again.has(gateway));
      };
      await eventually('all registered again', () => missing().length === 0 || undefined, {
        deadlineMs,
        describe: missing,
      });
    },
    senders() {
      const senders = peer.requests.map((request) => request.header('User-Agent') ?? '');
      return senders.filter((sender, i) => sender !== senders[i - 1]);
    },
    async stop() {
      for (const { process } of members) process.kill('SIGKILL');
      await Promise.all(members.map(({ process }) => process.exited));
      await redis.stop();
      await peer.stop();
    },
  };
}
