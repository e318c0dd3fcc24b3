import type { Grant } from './location.ts';

/** A customer's web server that decides who may register in its realm. */
export interface Webhook {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  /** For Basic authentication. */
  readonly username?: string;
  readonly password?: string;
  /** Signs the request. */
  readonly secret?: string;
}

export interface Account {
  readonly sid: string;
  readonly serviceProviderSid?: string;
  readonly isActive: boolean;
  readonly deviceToCallRatio: number;
  /** Given: it authenticates the users, and the account's clients count for nothing. */
  readonly webhook?: Webhook;
}

/** A user kept in the clients table of its account. */
export interface Client {
  readonly username: string;
  /** In clear; undefined when the stored one could not be decrypted. */
  readonly password?: string;
  readonly isActive: boolean;
  readonly grant: Grant;
}

/** Accounts and what belongs to them. */
export interface Directory {
  /** The account of a realm, or of the realm without its first label when that one has more than two. */
  accountByRealm(realm: string): Promise<Account | undefined>;
  client(accountSid: string, username: string): Promise<Client | undefined>;
  /** How many devices the account has paid for (hosted platform). */
  deviceLimit(account: Account): Promise<number>;
}
