import { NoSidecarError } from '../../src/admin/errors.ts';
import { CARRIER_PASSWORD, insertCarrier } from '../support/carriers.ts';
import { eventually } from '../support/eventually.ts';
import type { Mariadb } from '../support/mariadb.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { Registrar } from '../support/sip-registrar.ts';
import { QUICK, trunksOf } from './outbound.ts';
import { outsideStores, type RunningSidecar, startEmbedded } from './sidecar.ts';

const TRUNKS = 25;
const GRANTED_SECONDS = 2;

interface Member extends RunningSidecar {
  /** Also its User-Agent. */
  readonly name: string;
}

/** Two sidecars on one Redis and one MariaDB, and the registrar of their trunks. */
export interface Cluster extends AsyncDisposable {
  readonly redis: RedisServer;
  readonly peer: SipPeer;
  /** Expiry that the registrar grants, seconds. */
  granted: number;
  /** Resolves when one sidecar has every trunk registered. */
  roles(): Promise<{ readonly holder: Member; readonly other: Member }>;
  /** Resolves when each trunk has registered after the first `from` requests; `anew`: without a nonce from before. */
  registeredSince(from: number, how?: 'anew' | 'or refreshed', deadlineMs?: number): Promise<void>;
  /** The senders of requests after the first `from`, in order, without repetitions. */
  sendersSince(from: number): string[];
}

export async function startCluster(mariadb: Mariadb, more: Record<string, string> = {}): Promise<Cluster> {
  const redis = await startRedis();
  const registrar = new Registrar({ password: () => CARRIER_PASSWORD, grant: () => cluster.granted });
  const peer = await SipPeer.start(registrar.script);
  const carriers = await Promise.all(
    Array.from({ length: TRUNKS }, (_, i) =>
      insertCarrier(mariadb, { register_username: `line-${i}` }, { ipv4: peer.host, port: peer.port }),
    ),
  );
  const gateways = carriers.flatMap((carrier) => carrier.gateways);
  const join = async (name: string): Promise<Member> => {
    const env = { ...outsideStores(redis, mariadb), ...QUICK, JAMBONES_REGBOT_USER_AGENT: name, ...more };
    return { name, ...(await startEmbedded({ env })) };
  };
  const members = await Promise.all([join('sidecar A'), join('sidecar B')]);
  const hasAll = async (member: Member) => {
    const trunks = await trunksOf(member).catch((error: unknown) => {
      if (error instanceof NoSidecarError) return [];
      throw error;
    });
    return trunks.length === TRUNKS && trunks.every(({ expiresAt }) => expiresAt !== null);
  };

  const cluster: Cluster = {
    redis,
    peer,
    granted: GRANTED_SECONDS,
    async roles() {
      const [one, two] = members;
      const holder = await eventually('a holder with all trunks', async () => {
        for (const member of members) if (await hasAll(member)) return member;
        return undefined;
      });
      return { holder, other: holder === one ? two : one };
    },
    async registeredSince(from, how = 'or refreshed', deadlineMs = 30_000) {
      const missing = () => {
        // A new holder has no nonce, so its first request has no credentials. Only one with credentials is granted.
        const began = new Set<string | undefined>();
        const granted = new Set<string | undefined>();
        for (const request of peer.requests.slice(from)) {
          const callId = request.header('Call-ID');
          if (request.header('Authorization') === undefined) began.add(callId);
          else if (how === 'or refreshed' || began.has(callId)) granted.add(callId);
        }
        return gateways.filter((gateway) => !granted.has(gateway));
      };
      const probe = () => missing().length === 0 || undefined;
      await eventually('all registered', probe, { deadlineMs, describe: missing });
    },
    sendersSince(from) {
      const senders = peer.requests.slice(from).map((request) => request.header('User-Agent') ?? '');
      return senders.filter((sender, i) => sender !== senders[i - 1]);
    },
    async [Symbol.asyncDispose]() {
      for (const { process } of members) process.kill('SIGKILL');
      await Promise.all([...members.map(({ process }) => process.exited), redis.stop(), peer.stop()]);
      for (const carrier of carriers) await carrier.remove();
    },
  };
  await cluster.roles();
  return cluster;
}
