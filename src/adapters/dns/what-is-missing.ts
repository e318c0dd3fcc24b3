import { withDeadline } from '../../lib/deadline.ts';
import type { Timers } from '../../lib/timers.ts';
import { Unavailable } from '../../ports/errors.ts';
import { OUTBOUND_TRANSPORTS, type OutboundTransport, serviceName } from '../../sip/next-hop.ts';
import { lateAnswer } from './questions.ts';

const DEADLINE_MS = 1000;

/** Each throws Unavailable when the DNS does not answer. */
export interface Questions {
  /** @param service `_sip._udp.example.com` */
  hasServices(service: string): Promise<boolean>;
  hasNaptr(name: string): Promise<boolean>;
}

/** Says, for an operator, why a name leads to no address, and which records it has that do not help. */
export async function whatIsMissing(
  name: string,
  port: number | undefined,
  transport: OutboundTransport,
  questions: Questions,
  timers: Timers,
): Promise<string> {
  // RFC 3263 4.2: with a port, SRV records are not asked for.
  const missing = port === undefined ? `no SRV records for ${transport} and no address` : 'no address';
  const plain = `${name} has ${missing}`;
  if (!name.includes('.')) return `${name} has no address`;
  try {
    const instead = await withDeadline(insteadOf(name, questions), DEADLINE_MS, () => lateAnswer(name), timers);
    if (!instead) return plain;
    if (instead.naptr) return `${plain}; its NAPTR records are not followed`;
    if (!instead.services.includes(transport))
      return `${plain}; it has SRV records for ${instead.services.join(' and ')}`;
    return port === undefined
      ? `${name} has SRV records for ${transport}, but their targets have no address`
      : `${plain}; it has SRV records, which the configured port ${port} rules out`;
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    return plain;
  }
}

type Instead = { readonly naptr: true } | { readonly naptr: false; readonly services: readonly OutboundTransport[] };

async function insteadOf(name: string, questions: Questions): Promise<Instead | undefined> {
  const [naptr, ...found] = await Promise.all([
    questions.hasNaptr(name),
    ...OUTBOUND_TRANSPORTS.map((transport) => questions.hasServices(serviceName(name, transport))),
  ]);
  const services = OUTBOUND_TRANSPORTS.filter((_, i) => found[i]);
  if (services.length > 0) return { naptr: false, services };
  return naptr ? { naptr } : undefined;
}
