import type { Alerts } from '../ports/alerts.ts';
import type { Account, Directory } from '../ports/directory.ts';
import type { Aor, AorState } from '../ports/location.ts';
import { Refusal } from './reject.ts';

export interface AccountRules {
  readonly directory: Directory;
  readonly alerts: Alerts;
  /** On a hosted platform device limits apply and unknown realms get no explanation. */
  readonly hosting: boolean;
}

/** Finds the active account of a realm. */
export async function findAccount({ directory, hosting }: AccountRules, aor: Aor): Promise<Account | Refusal> {
  const account = await directory.accountByRealm(aor.realm);
  if (!account) return new Refusal(hosting ? 'UnknownRealmHosted' : 'UnknownRealm', {}, aor.realm);
  return account.isActive ? account : new Refusal('AccountInactive', {}, aor.realm);
}

/** The maximum number of AORs in a realm of the account; undefined: no limit. */
export async function deviceLimit({ directory, hosting }: AccountRules, account: Account): Promise<number | undefined> {
  return hosting ? directory.deviceLimit(account) : undefined;
}

/** Refuses a new AOR when the realm is full. An AOR with a binding may renew it, unless the limit is 0. */
export function checkDeviceLimit(limit: number | undefined, { bindings, aorsInRealm }: AorState): Refusal | undefined {
  if (limit === undefined) return undefined;
  if (limit > 0 && (bindings.length > 0 || aorsInRealm < limit)) return undefined;
  return new Refusal('TooManyDevices');
}

export function alertDeviceLimit({ alerts }: AccountRules, account: Account, limit: number): void {
  alerts.raise({
    type: 'account-device-limit',
    accountSid: account.sid,
    ...(account.serviceProviderSid !== undefined && { serviceProviderSid: account.serviceProviderSid }),
    message: `you have exceeded your account limit of ${limit} registered devices; please consider upgrading your plan`,
  });
}
