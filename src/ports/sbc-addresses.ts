import type { SbcAddress } from '../sip/hostports.ts';

/** The public addresses of all SBCs, from which the platform makes DNS records. */
export interface SbcAddresses {
  /** Inserts or renews these addresses and removes those older than `deadSeconds`, in one transaction. */
  announce(addresses: readonly SbcAddress[], deadSeconds: number): Promise<void>;
}
