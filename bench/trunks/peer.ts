/** The carrier, a process whose CPU is not the sidecar's. It reports its progress to its parent. */
import { type PeerRequest, SipPeer } from '../../test/support/sip-peer.ts';
import { Registrar } from '../../test/support/sip-registrar.ts';
import { readFlags } from '../lib/flags.ts';

export interface Progress {
  readonly port: number;
  readonly requests: number;
  readonly retransmissions: number;
  readonly registered: number;
  readonly refused: number;
  /** Times of the first REGISTER and of the one that registered the latest user, ms since the epoch; 0: none yet. */
  readonly firstAt: number;
  readonly lastNewAt: number;
}

export function passwordOf(username: string): string {
  return `secret-of-${username}`;
}

const REPORT_MS = 100;
/** Longer than a registration takes, shorter than the time until its refresh. */
const STALE_MS = 10_000;
const MIN_GRANT_SECONDS = 120;
/** The fractional parts of its multiples are spread evenly, however many there are. */
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2;

if (import.meta.main) await main(readFlags(process.argv.slice(2), (flags) => flags.toggle('stale', 'forget nonces')));

async function main(stale: boolean): Promise<void> {
  let firstAt = 0;
  let lastNewAt = 0;
  let isNew = false;
  // All register within minutes, so with equal expiries their refreshes would come together, half an hour later. First
  // expiries of all lengths spread them evenly from the start.
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
      port: peer.port,
      requests: peer.requests.length,
      retransmissions: peer.retransmissions,
      registered: registrar.registered.size,
      refused: registrar.refused,
      firstAt,
      lastNewAt,
    };
    process.send?.(progress);
  }, REPORT_MS);
  process.on('disconnect', () => process.exit(0));
}
