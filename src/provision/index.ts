import type { ProvisionedCounts, ProvisioningStore } from '../ports/provisioning.ts';
import { type DemoAccount, demoAccount } from './demo-account.ts';
import { ProvisionError, readProvisioning } from './file.ts';

/**
 * Writes the accounts and carriers of the provisioning file, or a demo account when there is no file.
 * @returns the demo account, if there is one
 * @throws ProvisionError, and changes nothing
 */
export function provision(store: ProvisioningStore, file: string | undefined): DemoAccount | undefined {
  if (!file) return demoAccount(store);
  store.apply(readProvisioning(file));
  return undefined;
}

/**
 * Writes the accounts and carriers of the file anew. Refuses a file without accounts, which may be a truncated one and
 * would unregister every phone; it is accepted when there are none yet and it has carriers.
 * @returns what has changed: `accounts 3 → 4, clients 120`
 * @throws ProvisionError, and changes nothing
 */
export function provisionAgain(store: ProvisioningStore, file: string): string {
  const provisioning = readProvisioning(file);
  const before = store.counts();
  if (provisioning.accounts.length === 0 && (before.accounts > 0 || provisioning.carriers.length === 0))
    throw new ProvisionError(`${file}: has no account; to remove all accounts, restart the sidecar with it`);
  store.apply(provisioning);
  return changes(before, store.counts());
}

function changes(before: ProvisionedCounts, after: ProvisionedCounts): string {
  const names = ['accounts', 'clients', 'carriers', 'gateways'] as const;
  return names
    .filter((name, i) => i < 2 || before[name] + after[name] > 0)
    .map((name) => `${name} ${before[name]}${after[name] === before[name] ? '' : ` → ${after[name]}`}`)
    .join(', ');
}
