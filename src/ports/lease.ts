/** The lease of the one sidecar in a cluster that keeps registrations and pings gateways. */
export interface Lease {
  /** Takes a free lease. @returns whether it was free */
  take(token: string, lengthMs: number): Promise<boolean>;
  /** Extends a lease to `lengthMs` from now. @returns whether `token` still held it */
  renew(token: string, lengthMs: number): Promise<boolean>;
  /** Has no effect unless `token` holds the lease. */
  release(token: string): Promise<void>;
  /** The token of the current holder. */
  holder(): Promise<string | undefined>;
}
