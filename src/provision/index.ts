import type { ProvisioningStore } from '../ports/provisioning.ts';
import { type DemoAccount, demoAccount } from './demo-account.ts';
import { readProvisioning } from './file.ts';

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
