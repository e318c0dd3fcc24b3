import { randomBytes } from 'node:crypto';
import type { ProvisioningStore } from '../ports/provisioning.ts';

export interface DemoAccount {
  readonly realm: string;
  readonly username: string;
  readonly password: string;
}

const REALM = 'sidecar.test';
const USERNAME = 'demo';

/** Creates the demo account when there are no accounts. @returns it, or undefined if it does not exist */
export function demoAccount(store: ProvisioningStore): DemoAccount | undefined {
  if (store.counts().accounts === 0) createDemoAccount(store);
  const password = store.clientPassword(REALM, USERNAME);
  return password === undefined ? undefined : { realm: REALM, username: USERNAME, password };
}

function createDemoAccount(store: ProvisioningStore): void {
  const client = {
    username: USERNAME,
    password: randomBytes(9).toString('base64url'),
    isActive: true,
    grant: { allowDirectAppCalling: true, allowDirectQueueCalling: true, allowDirectUserCalling: true },
  };
  store.apply({
    accounts: [{ realm: REALM, isActive: true, webhook: undefined, clients: [client] }],
    carriers: [],
  });
}
