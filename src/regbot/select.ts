import type { Trunk } from '../outbound-ports.ts';

/** A trunk of the directory that is not registered. */
export interface Skipped {
  readonly trunk: Trunk;
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
    const { gatewaySid, host, port, transport, realm, username, password } = trunk;
    if (!password) {
      skipped.set(gatewaySid, { trunk, why: 'it has no password' });
      continue;
    }
    const key = JSON.stringify([host.toLowerCase(), port, transport, realm.toLowerCase(), username, password]);
    const twin = first.get(key);
    if (twin !== undefined) {
      skipped.set(gatewaySid, { trunk, why: `the same registration as that of gateway ${twin}` });
      continue;
    }
    first.set(key, gatewaySid);
    wanted.set(gatewaySid, trunk);
  }
  return { wanted, skipped };
}
