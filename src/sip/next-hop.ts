import { isIP } from 'node:net';

export type OutboundTransport = 'udp' | 'tcp' | 'tls';

export const OUTBOUND_TRANSPORTS: readonly OutboundTransport[] = ['udp', 'tcp', 'tls'];

/** One place to send a request to (RFC 3263). */
export interface NextHop {
  /** IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  readonly transport: OutboundTransport;
}

/** Why a request cannot be sent: no listener has the transport and the address family of its next hop. */
export function noSocket({ address, transport }: NextHop): string {
  return `no ${transport.toUpperCase()} socket on IPv${isIP(address)} for ${address}`;
}

/** What to do next to find the addresses of a host (RFC 3263 4). The transport is given, so NAPTR (4.1) is not needed. */
export type Step =
  /** Nothing: the host is an address. */
  | { readonly kind: 'hop'; readonly hop: NextHop }
  /** Ask for the addresses of the host. */
  | { readonly kind: 'addresses'; readonly port: number }
  /** Ask for the SRV records of `service`; without any, or without an answer, for the addresses of the host, with `port`. */
  | { readonly kind: 'services'; readonly service: string; readonly port: number };

/** An SRV record, RFC 2782. */
export interface Service {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  /** A DNS name; `.` or '' means that the domain does not offer the service. */
  readonly target: string;
}

const SERVICES: Readonly<Record<OutboundTransport, string>> = { udp: '_sip._udp', tcp: '_sip._tcp', tls: '_sips._tcp' };

/** RFC 3261 19.1.2. */
function defaultPort(transport: OutboundTransport): number {
  return transport === 'tls' ? 5061 : 5060;
}

/** @param host an address, IPv6 without brackets, or a name in lower case without a dot at its end */
export function firstStep(host: string, port: number | undefined, transport: OutboundTransport): Step {
  const portOrDefault = port ?? defaultPort(transport);
  if (isIP(host) !== 0) return { kind: 'hop', hop: { address: host, port: portOrDefault, transport } };
  // A name of one label is not in a public zone but in the machine's own configuration, which has no SRV records.
  if (port !== undefined || !host.includes('.')) return { kind: 'addresses', port: portOrDefault };
  return { kind: 'services', service: serviceName(host, transport), port: portOrDefault };
}

/** Where the SRV records of a name are: `_sip._udp.example.com` (RFC 3263 4.2). */
export function serviceName(name: string, transport: OutboundTransport): string {
  return `${SERVICES[transport]}.${name}`;
}

/** RFC 2782: "A Target of "." means that the service is decidedly not available at this domain." */
export function isServiceDenied(services: readonly Service[]): boolean {
  return services.length > 0 && services.every(({ target }) => target === '' || target === '.');
}

/**
 * The order in which to try the targets of SRV records (RFC 2782): the lowest priority first; among equals at random, in
 * proportion to their weights.
 * @param random a number of [0, 1)
 */
export function orderServices(services: readonly Service[], random: () => number): Service[] {
  const byPriority = Map.groupBy(services, ({ priority }) => priority);
  const priorities = [...byPriority.keys()].sort((a, b) => a - b);
  return priorities.flatMap((priority) => byWeight(byPriority.get(priority) ?? [], random));
}

/**
 * "Arrange all SRV RRs … in any order, except that all those with weight 0 are placed at the beginning of the list …
 * choose a uniform random number between 0 and the sum computed (inclusive), and select the RR whose running sum value is
 * the first in the selected order which is greater than or equal to the random number selected." And so on with the rest.
 */
function byWeight(services: readonly Service[], random: () => number): Service[] {
  const left = [...services].sort((a, b) => Number(a.weight > 0) - Number(b.weight > 0));
  const ordered: Service[] = [];
  let sum = left.reduce((total, { weight }) => total + weight, 0);
  while (left.length > 0) {
    const drawn = Math.floor(random() * (sum + 1));
    let running = 0;
    const index = left.findIndex(({ weight }) => {
      running += weight;
      return running >= drawn;
    });
    const [chosen] = left.splice(index, 1);
    if (!chosen) break;
    sum -= chosen.weight;
    ordered.push(chosen);
  }
  return ordered;
}

/** Two lists as one: the first of each, then the second of each, so that a limit cuts both. */
export function interleave<T>(first: readonly T[], second: readonly T[]): T[] {
  const both: T[] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    both.push(...first.slice(i, i + 1), ...second.slice(i, i + 1));
  }
  return both;
}
