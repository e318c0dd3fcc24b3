import type { CarrierDirectory, Carriers } from '../../ports/carriers.ts';
import type { Account, Directory, Webhook } from '../../ports/directory.ts';
import { Unavailable } from '../../ports/errors.ts';
import type { ClientPasswordCipher } from '../sql/client-password.ts';

/** Decrypts the secrets of webhooks, which MySQL holds in clear and SQLite does not. */
export function decryptedDirectory(directory: Directory, cipher: ClientPasswordCipher): Directory {
  return {
    async accountByRealm(realm): Promise<Account | undefined> {
      const account = await directory.accountByRealm(realm);
      return account?.webhook ? { ...account, webhook: decryptedWebhook(account.webhook, cipher) } : account;
    },
    client: (accountSid, username) => directory.client(accountSid, username),
    authenticated: (realm) => directory.authenticated?.(realm),
    deviceLimit: (account) => directory.deviceLimit(account),
  };
}

/** Decrypts the passwords of trunks. */
export function decryptedCarriers(carriers: CarrierDirectory, cipher: ClientPasswordCipher): CarrierDirectory {
  return {
    async read(): Promise<Carriers> {
      const found = await carriers.read();
      const trunks = found.trunks.map((trunk) =>
        trunk.password === undefined ? trunk : { ...trunk, password: plain(trunk.password, cipher) },
      );
      return { ...found, trunks };
    },
    saveRegisterStatus: (carrierSid, status) => carriers.saveRegisterStatus(carrierSid, status),
    disableRegistration: (carrierSid, trunkType) => carriers.disableRegistration(carrierSid, trunkType),
    disablePing: (gatewaySid) => carriers.disablePing(gatewaySid),
  };
}

function decryptedWebhook(webhook: Webhook, cipher: ClientPasswordCipher): Webhook {
  const { password, secret } = webhook;
  return {
    ...webhook,
    ...(password !== undefined && { password: plain(password, cipher) }),
    ...(secret !== undefined && { secret: plain(secret, cipher) }),
  };
}

/** @throws Unavailable rather than use a webhook or a trunk without its secret */
function plain(stored: string, cipher: ClientPasswordCipher): string {
  const text = cipher.decrypt(stored);
  if (text === undefined) throw new Unavailable('SQLite', 'a stored secret cannot be decrypted');
  return text;
}
