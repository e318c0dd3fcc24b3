import { isIP } from 'node:net';

/** What a SIP server listens on: `udp/192.0.2.1:5060,tcp/192.0.2.1:5060`, as the outside sees it and as it is here. */
export interface Hostports {
  readonly external: string;
  readonly local: string;
}

/** One entry of such a list. */
export interface Listener {
  readonly proto: string;
  /** IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
}

/** RFC 1918, and RFC 4193 for IPv6. */
const PRIVATE = /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|f[cd])/i;

/**
 * drachtio at times reports an empty or partial list when it has just restarted: a list that lacks what the last one
 * had, and has nothing new, does not replace it.
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
  if (!chosen) return '';
  return `${chosen.address.includes(':') ? `[${chosen.address}]` : chosen.address}:${chosen.port}`;
}

/** The entries of a list that can be read. */
export function parseHostports(text: string): Listener[] {
  return text.split(',').flatMap((entry) => {
    const [, proto, host, port] = /^([a-z]+)\/(.+):(\d+)$/.exec(entry.trim()) ?? [];
    const address = host?.replace(/^\[|\]$/g, '') ?? '';
    return proto !== undefined && isIP(address) !== 0 ? [{ proto, address, port: Number(port) }] : [];
  });
}
