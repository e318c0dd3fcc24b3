import { isIPv6 } from 'node:net';

/** Longer than any ICMP error takes. */
const PROBE_MS = 500;

const UNREACHABLE = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH']);

/**
 * Whether a UDP port is closed. Only a socket connected to a single peer knows whose ICMP error it gets. It sends a
 * CRLF keep-alive, which SIP servers ignore (RFC 3261 7.5).
 */
export async function isRefused(address: string, port: number): Promise<boolean> {
  const answer = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => answer.resolve(false), PROBE_MS);
  try {
    const socket = await Bun.udpSocket({
      // By default it would be a socket of IPv4.
      hostname: isIPv6(address) ? '::' : '0.0.0.0',
      connect: { hostname: address, port },
      socket: { error: () => answer.resolve(true) },
    });
    try {
      socket.send('\r\n\r\n');
      return await answer.promise;
    } finally {
      socket.close();
    }
  } catch (error) {
    // Other errors, such as too many open files, prove nothing.
    return UNREACHABLE.has((error as { code?: string }).code ?? '');
  } finally {
    clearTimeout(timer);
  }
}
