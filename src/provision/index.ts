import { type DemoAccount, demoAccount } from '../adapters/sqlite/demo-account.ts';
import { applyProvisioning } from '../adapters/sqlite/provisioning.ts';
import type { Config } from '../config/index.ts';
import type { Stores } from '../sidecar/stores.ts';
import { readProvisioning } from './file.ts';

/**
 * Puts the accounts of embedded mode into SQLite: those of the provisioning file, or a demo account.
 * @returns the demo account when there is one
 * @throws ProvisionError, and changes nothing
 */
export function provision({ parts, embedded }: Config, { sqlite, cipher }: Stores): DemoAccount | undefined {
  if (parts.directory !== 'sqlite' || !sqlite) return undefined;
  if (!embedded.provision) return demoAccount(sqlite, cipher);
  applyProvisioning(sqlite, cipher, readProvisioning(embedded.provision));
  return undefined;
}
