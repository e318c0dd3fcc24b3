import type { Trunk } from '../ports/carriers.ts';

/** A trunk of the directory that is not registered. */
export interface Skipped {
  readonly carrier: string;
  readonly carrierSid: string;
  readonly gateway: string;
  readonly host: string;
  readonly why: string;
}

/** Splits the directory's trunks into those to register and those not, both by gateway sid in the directory's order. */
export function selectTrunks(trunks: readonly Trunk[]): {
  selected: ReadonlyMap<string, Trunk>;
  skipped: ReadonlyMap<string, Skipped>;
} {
  const selected = new Map<string, Trunk>();
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
    const duplicate = first.get(key);
    if (duplicate !== undefined) {
      skip(`the same registration as that of gateway ${duplicate}`);
      continue;
    }
    first.set(key, gatewaySid);
    selected.set(gatewaySid, trunk);
  }
  return { selected, skipped };
}
