import type { Grant } from './location.ts';

/** A customer's registration webhook. */
export interface Webhook {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  /** For Basic authentication. */
  readonly username?: string;
  readonly password?: string;
  /** Key of the request signature. */
  readonly secret?: string;
}

export interface Account {
  readonly sid: string;
  /** In lower case. */
  readonly realm: string;
  readonly serviceProviderSid?: string;
  readonly isActive: boolean;
  readonly deviceToCallRatio: number;
  /** When set, it authenticates all users and the clients table is ignored. */
  readonly webhook?: Webhook;
}

export interface Client {
  readonly username: string;
  /** Plain text; undefined when it could not be decrypted. */
  readonly password?: string;
  readonly isActive: boolean;
  readonly grant: Grant;
}

export interface Directory {
  /** Looks up the realm and, if it has more than two labels, the realm without its first label. */
  accountByRealm(realm: string): Promise<Account | undefined>;
  client(accountSid: string, username: string): Promise<Client | undefined>;
  /** Says that a user of the realm has authenticated: no cache forgets it for the sake of realms that were only asked for. */
  authenticated?(realm: string): void;
  /** The number of devices in the account's subscriptions (hosted platform). */
  deviceLimit(account: Account): Promise<number>;
}
