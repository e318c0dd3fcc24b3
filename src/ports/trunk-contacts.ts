/** A Contact of ours that a carrier holds. */
export interface TrunkContact {
  /** Its URI. */
  readonly contact: string;
  /** When it expires, milliseconds since the epoch. */
  readonly until: number;
  /** The Request-URI and the AOR that it was registered with, as opaque text. */
  readonly registrar: string;
}

/** What carriers hold of us, so that the next leader can replace it. By the sid of the gateway. */
export interface TrunkContacts {
  /** Leaves out what it cannot read. */
  read(): Promise<ReadonlyMap<string, TrunkContact>>;
  save(gatewaySid: string, contact: TrunkContact): Promise<void>;
  remove(gatewaySid: string): Promise<void>;
}
