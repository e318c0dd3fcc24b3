/** Longer than any ICMP error takes that comes at all. */
const PROBE_MS = 500;

const UNREACHABLE = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH']);

/**
 * Whether nobody listens at a UDP port. A socket that talks to many cannot be told whose ICMP error it has got; one that
 * is connected to a single peer can. What it sends is a CRLF keep-alive, which SIP servers ignore (RFC 3261 7.5).
 */
export async function isRefused(address: string, port: number): Promise<boolean> {
  const answer = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => answer.resolve(false), PROBE_MS);
  try {
    const socket = await Bun.udpSocket({
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
    // Out of files or memory, we know no more than before.
    return UNREACHABLE.has((error as { code?: string }).code ?? '');
  } finally {
    clearTimeout(timer);
  }
}
