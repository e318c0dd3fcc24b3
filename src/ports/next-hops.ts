import type { NextHop, OutboundTransport } from '../sip/next-hop.ts';

/** RFC 3263 4: from a host to addresses. */
export interface NextHops {
  /**
   * The targets in the order to try them, at least one.
   * @throws NameError when the name has no address; Unavailable when the DNS does not answer
   */
  resolve(host: string, port: number | undefined, transport: OutboundTransport): Promise<readonly NextHop[]>;
}

/** The DNS says that a name has no address. */
export class NameError extends Error {
  override readonly name = 'NameError';
}
