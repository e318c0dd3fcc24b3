import type { Alerts } from '../ports/alerts.ts';
import type { Account, Directory } from '../ports/directory.ts';
import type { Aor } from '../ports/location.ts';
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

/** The maximum number of the account's AORs, whatever sub-domains they name; undefined: no limit. */
export async function deviceLimit({ directory, hosting }: AccountRules, account: Account): Promise<number | undefined> {
  return hosting ? directory.deviceLimit(account) : undefined;
}

export function alertDeviceLimit({ alerts }: AccountRules, account: Account, limit: number): void {
  alerts.raise({
    type: 'account-device-limit',
    accountSid: account.sid,
    ...(account.serviceProviderSid !== undefined && { serviceProviderSid: account.serviceProviderSid }),
    message: `you have exceeded your account limit of ${limit} registered devices; please consider upgrading your plan`,
  });
}
