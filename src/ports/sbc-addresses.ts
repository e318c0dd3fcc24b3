import type { SbcAddress } from '../sip/hostports.ts';

/** The public addresses of all SBCs, which become DNS records. */
export interface SbcAddresses {
  /** Puts these in, or renews them, and removes all that are older than `deadSeconds`, in one transaction. */
  announce(addresses: readonly SbcAddress[], deadSeconds: number): Promise<void>;
}
