import type { Carriers, Trunk } from '../ports/carriers.ts';

/** A carrier, or a gateway of it, that requires registration and is not registered with. */
export interface Skipped {
  readonly carrier: string;
  readonly carrierSid: string;
  /** Absent when the carrier has no gateway to register with. */
  readonly gateway?: string;
  readonly why: string;
}

export interface Selection {
  /** By gateway sid, in the directory's order. */
  readonly selected: ReadonlyMap<string, Trunk>;
  readonly skipped: readonly Skipped[];
}

/** Splits what requires registration into the trunks to register and the rest. */
export function selectTrunks({ trunks, unregistrable = [] }: Pick<Carriers, 'trunks' | 'unregistrable'>): Selection {
  const selected = new Map<string, Trunk>();
  const skipped: Skipped[] = [];
  const skip = (carrier: string, carrierSid: string, gateway: string | undefined, why: string) =>
    skipped.push({ carrier, carrierSid, ...(gateway !== undefined && { gateway }), why });
  for (const { carrierName, carrierSid, gatewaySid, why } of unregistrable)
    skip(carrierName, carrierSid, gatewaySid, why);
  const first = new Map<string, string>();
  for (const trunk of trunks) {
    const { gatewaySid, carrierName, carrierSid, password } = trunk;
    const key = bindingKey(trunk);
    const duplicate = first.get(key);
    if (!password) skip(carrierName, carrierSid, gatewaySid, 'it has no password');
    else if (duplicate !== undefined)
      skip(carrierName, carrierSid, gatewaySid, `the same registration as that of gateway ${duplicate}`);
    else {
      first.set(key, gatewaySid);
      selected.set(gatewaySid, trunk);
    }
  }
  return { selected, skipped };
}

/** Equal for trunks that are one registration. */
export function bindingKey({ host, port, transport, realm, username, password }: Trunk): string {
  return JSON.stringify([host.toLowerCase(), port, transport, realm.toLowerCase(), username, password]);
}
