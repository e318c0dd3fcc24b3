/** Which sidecar of a cluster acts outwards: one at a time, for as long as it renews. */
export interface Lease {
  /** @returns whether nobody held it and we do now, for `lengthMs` */
  take(token: string, lengthMs: number): Promise<boolean>;
  /** @returns whether it was still ours and is for `lengthMs` more */
  renew(token: string, lengthMs: number): Promise<boolean>;
  /** Gives it back when it is ours. */
  release(token: string): Promise<void>;
  /** The token of whoever holds it. */
  holder(): Promise<string | undefined>;
}
