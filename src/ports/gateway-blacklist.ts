/** Gateways that call routing skips. */
export interface GatewayBlacklist {
  add(gatewaySid: string, ttlSeconds: number): Promise<void>;
  remove(gatewaySid: string): Promise<void>;
}
