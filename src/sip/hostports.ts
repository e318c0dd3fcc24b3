import { BlockList, isIP, isIPv4 } from 'node:net';
import { familyOf, joinHostPort, normalIp, unbracketed } from './ip.ts';
import type { NextHop, OutboundTransport } from './next-hop.ts';

/** The listeners of a SIP server, `udp/192.0.2.1:5060,tcp/192.0.2.1:5060`: the external addresses and the local ones. */
export interface Hostports {
  readonly external: string;
  readonly local: string;
}

export interface SbcAddress {
  readonly ip: string;
  /** UDP. */
  readonly port: number;
  readonly tlsPort?: number;
  readonly wssPort?: number;
}

interface Listener {
  readonly proto: string;
  /** In its normal form. */
  readonly address: string;
  readonly port: number;
}

/** RFC 1918, and RFC 4193 for IPv6. */
const PRIVATE = /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|f[cd])/i;

/** Addresses that are not reachable from the Internet, with the RFC that reserves them. */
const NOT_PUBLIC = new BlockList();
for (const [net, bits, family] of [
  ['0.0.0.0', 8, 'ipv4'], // RFC 1122 3.2.1.3: this host
  ['10.0.0.0', 8, 'ipv4'], // RFC 1918
  ['100.64.0.0', 10, 'ipv4'], // RFC 6598: carrier-grade NAT
  ['127.0.0.0', 8, 'ipv4'], // RFC 1122 3.2.1.3: loopback
  ['169.254.0.0', 16, 'ipv4'], // RFC 3927: link-local
  ['172.16.0.0', 12, 'ipv4'], // RFC 1918
  ['192.168.0.0', 16, 'ipv4'], // RFC 1918
  ['224.0.0.0', 3, 'ipv4'], // RFC 5771: multicast; RFC 1112 4: reserved
  ['::', 127, 'ipv6'], // RFC 4291 2.5.2 and 2.5.3: unspecified and loopback
  ['fc00::', 7, 'ipv6'], // RFC 4193
  ['fe80::', 10, 'ipv6'], // RFC 4291 2.5.6: link-local
  ['ff00::', 8, 'ipv6'], // RFC 4291 2.7: multicast
] as const)
  NOT_PUBLIC.addSubnet(net, bits, family);

/**
 * drachtio sometimes reports an empty or partial list right after a restart: a list that lacks entries of the last one
 * and has no new ones does not replace it.
 */
export function completeHostports(last: Hostports | undefined, reported: Hostports): Hostports {
  if (!last) return reported;
  const before = new Set(last.external.split(','));
  const now = reported.external.split(',').filter((entry) => entry !== '');
  return now.length < before.size && now.every((entry) => before.has(entry)) ? last : reported;
}

/**
 * The `ip:port` at which other servers of the platform reach this one: TCP inside the given networks, else any private
 * TCP, else the first TCP or UDP one. '' only when the list names none at all.
 */
export function privateSipAddress(
  hostports: string,
  networks: readonly { contains(address: string): boolean }[],
): string {
  const listeners = parseHostports(hostports);
  const tcp = listeners.filter((l) => l.proto === 'tcp');
  const chosen =
    tcp.find((l) => networks.some((n) => n.contains(l.address))) ??
    tcp.find((l) => PRIVATE.test(l.address)) ??
    tcp[0] ??
    listeners.find((l) => l.proto === 'udp') ??
    listeners[0];
  return chosen ? joinHostPort(chosen.address, chosen.port) : '';
}

/**
 * The public addresses of a list, each with its first UDP, TLS and WSS ports. Without UDP, `port` is that of TCP, or else
 * 5060.
 */
export function publicAddresses(hostports: string): SbcAddress[] {
  const byIp = Map.groupBy(parseHostports(hostports).filter(isPublic), ({ address }) => address);
  return [...byIp].map(([ip, listeners]) => {
    const portOf = (proto: string) => listeners.find((l) => l.proto === proto)?.port;
    const [tlsPort, wssPort] = [portOf('tls'), portOf('wss')];
    return {
      ip,
      port: portOf('udp') ?? portOf('tcp') ?? 5060,
      ...(tlsPort !== undefined && { tlsPort }),
      ...(wssPort !== undefined && { wssPort }),
    };
  });
}

/**
 * The `ip:port` by which a peer knows us on a transport: the first public one of it, else the first one.
 * @param family that of the peer; by default any
 * @returns undefined when the list has none
 */
export function addressOn(hostports: string, transport: OutboundTransport, family?: 4 | 6): string | undefined {
  const listeners = parseHostports(hostports).filter(
    (l) => l.proto === transport && (family === undefined || familyOf(l.address) === family),
  );
  const chosen = listeners.find(isPublic) ?? listeners[0];
  return chosen && joinHostPort(chosen.address, chosen.port);
}

/** Whether a listener of the list has the transport and the address family of a next hop. */
export function listensTowards(hostports: string, { transport, address }: NextHop): boolean {
  const family = isIP(normalIp(address) ?? '');
  return parseHostports(hostports).some((l) => l.proto === transport && isIP(l.address) === family);
}

function isPublic({ address }: Listener): boolean {
  return !NOT_PUBLIC.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

function parseHostports(text: string): Listener[] {
  return text.split(',').flatMap((entry) => {
    const [, proto, host, port] = /^([a-z]+)\/(.+):(\d+)$/.exec(entry.trim()) ?? [];
    const address = normalIp(unbracketed(host ?? ''));
    return proto !== undefined && address !== undefined ? [{ proto, address, port: Number(port) }] : [];
  });
}
