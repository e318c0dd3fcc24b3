import type { NextHop, OutboundTransport } from '../sip/next-hop.ts';

/** Locates SIP servers (RFC 3263 4). */
export interface NextHops {
  /** @returns at least one target, in the order to try. @throws NameError, or Unavailable when DNS does not answer */
  resolve(host: string, port: number | undefined, transport: OutboundTransport): Promise<readonly NextHop[]>;
}

/** The name has no address; the message says what is missing. */
export class NameError extends Error {
  override readonly name = 'NameError';
}
