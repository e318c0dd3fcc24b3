/**
 * The carrier, in a process of its own so that its CPU is not taken for the sidecar's: `peer.ts [stale]`. It tells
 * whoever started it where it listens, and from then on how far things are.
 */
import { type PeerRequest, SipPeer } from '../../test/support/sip-peer.ts';
import { Registrar } from '../../test/support/sip-registrar.ts';

/** What the peer says, some times a second. */
export interface Progress {
  readonly port: number;
  /** REGISTERs, retransmissions left out. */
  readonly requests: number;
  readonly retransmissions: number;
  /** Users that are registered. */
  readonly registered: number;
  /** REGISTERs with wrong credentials. */
  readonly refused: number;
  /** When the first REGISTER came, and the one that registered the latest user; milliseconds since the epoch, 0 before. */
  readonly firstAt: number;
  readonly lastNewAt: number;
}

export function passwordOf(username: string): string {
  return `secret-of-${username}`;
}

const TELL_MS = 100;
/** Longer than a registration takes, shorter than the time from one to its refresh. */
const STALE_MS = 10_000;
const MIN_GRANT_SECONDS = 120;
/** Multiples of it, whole numbers left out, are spread evenly however many there are. */
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2;

if (import.meta.main) await main(process.argv[2] === 'stale');

async function main(stale: boolean): Promise<void> {
  let [firstAt, lastNewAt, isNew] = [0, 0, false];
  // All register within minutes, so all refreshes would come together half an hour later. With first grants of all
  // lengths up to what was asked they come as they do in the long run, and from the start.
  const grant = (asked: number) => {
    if (!isNew || asked <= MIN_GRANT_SECONDS) return asked;
    const share = (registrar.registered.size * GOLDEN_RATIO) % 1;
    return Math.round(MIN_GRANT_SECONDS + share * (asked - MIN_GRANT_SECONDS));
  };
  const registrar = new Registrar({ password: passwordOf, grant });
  const script = (request: PeerRequest) => {
    firstAt ||= Date.now();
    isNew = !registrar.registered.has(/sip:([^@]+)@/.exec(request.header('To') ?? '')?.[1] ?? '');
    const before = registrar.registered.size;
    const answer = registrar.script(request);
    if (registrar.registered.size > before) lastNewAt = Date.now();
    return answer;
  };
  const peer = await SipPeer.start(script);
  if (stale) setInterval(() => registrar.expireNonces(), STALE_MS);
  setInterval(() => {
    const progress: Progress = {
      ...{ port: peer.port, requests: peer.requests.length, retransmissions: peer.retransmissions },
      ...{ registered: registrar.registered.size, refused: registrar.refused, firstAt, lastNewAt },
    };
    process.send?.(progress);
  }, TELL_MS);
  process.on('disconnect', () => process.exit(0));
}
