import type { SbcAddress } from '../sip/hostports.ts';

/** The public addresses of all SBCs, from which the platform makes DNS records. */
export interface SbcAddresses {
  /**
   * Renews the rows of each pair of IP and port, or inserts one. Then removes the rows that were not renewed for
   * `deadSeconds`.
   */
  announce(addresses: readonly SbcAddress[], deadSeconds: number): Promise<void>;
}
