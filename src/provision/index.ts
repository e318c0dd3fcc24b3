import type { Config } from '../config/index.ts';
import type { Stores } from '../stores.ts';
import { applyProvisioning } from './apply.ts';
import { type DemoAccount, demoAccount } from './demo.ts';
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
