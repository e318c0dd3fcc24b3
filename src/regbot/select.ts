import type { Trunk } from '../ports/carriers.ts';

/** A trunk of the directory that is not registered. */
export interface Skipped {
  /** Its name. */
  readonly carrier: string;
  readonly carrierSid: string;
  /** The sid. */
  readonly gateway: string;
  readonly host: string;
  readonly why: string;
}

/** Which of the directory's trunks are to be registered, and which not; both by gateway, in the directory's order. */
export function selectTrunks(trunks: readonly Trunk[]): {
  wanted: ReadonlyMap<string, Trunk>;
  skipped: ReadonlyMap<string, Skipped>;
} {
  const wanted = new Map<string, Trunk>();
  const skipped = new Map<string, Skipped>();
  const first = new Map<string, string>();
  for (const trunk of trunks) {
    const { gatewaySid, carrierName, carrierSid, host, port, transport, realm, username, password } = trunk;
    const skip = (why: string) =>
      skipped.set(gatewaySid, { carrier: carrierName, carrierSid, gateway: gatewaySid, host, why });
    if (!password) {
      skip('it has no password');
      continue;
    }
    const key = JSON.stringify([host.toLowerCase(), port, transport, realm.toLowerCase(), username, password]);
    const twin = first.get(key);
    if (twin !== undefined) {
      skip(`the same registration as that of gateway ${twin}`);
      continue;
    }
    first.set(key, gatewaySid);
    wanted.set(gatewaySid, trunk);
  }
  return { wanted, skipped };
}
