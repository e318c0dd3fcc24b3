/** Addresses from which calls are accepted as a carrier's while we are registered there. */
export interface EphemeralGateways {
  /** @param expiresAt milliseconds since the epoch */
  set(ip: string, carrierSid: string, expiresAt: number): Promise<void>;
  remove(ip: string, carrierSid: string): Promise<void>;
}
