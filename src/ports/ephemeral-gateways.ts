/** Addresses that are a carrier's for as long as we are registered there: calls from them are its. */
export interface EphemeralGateways {
  /** @param expiresAt milliseconds since the epoch */
  set(ip: string, carrierSid: string, expiresAt: number): Promise<void>;
  remove(ip: string, carrierSid: string): Promise<void>;
}
