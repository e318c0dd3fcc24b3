import * as v from 'valibot';
import type { ProvisionedAccount, ProvisionedClient } from '../ports/provisioning.ts';
import { nonEmpty, realm, upTo } from './syntax.ts';

const client = v.pipe(
  v.strictObject({
    username: upTo(64),
    password: nonEmpty,
    active: v.optional(v.boolean(), true),
    allow_direct_app_calling: v.optional(v.boolean(), true),
    allow_direct_queue_calling: v.optional(v.boolean(), true),
    allow_direct_user_calling: v.optional(v.boolean(), true),
  }),
  v.transform(
    (c): ProvisionedClient => ({
      username: c.username,
      password: c.password,
      isActive: c.active,
      grant: {
        allowDirectAppCalling: c.allow_direct_app_calling,
        allowDirectQueueCalling: c.allow_direct_queue_calling,
        allowDirectUserCalling: c.allow_direct_user_calling,
      },
    }),
  ),
);

const webhook = v.strictObject({
  url: v.pipe(v.string(), v.regex(/^https?:\/\//i, 'must be an http or https URL'), v.url('must be a URL')),
  method: v.optional(v.picklist(['GET', 'POST'], 'must be GET or POST'), 'POST'),
  username: v.exactOptional(v.string()),
  password: v.exactOptional(v.string()),
  secret: v.exactOptional(v.string()),
});

/** `[[account]]` */
export const account = v.pipe(
  v.strictObject({
    realm,
    active: v.optional(v.boolean(), true),
    client: v.optional(v.array(client), []),
    webhook: v.exactOptional(webhook),
  }),
  v.check((a) => !(a.webhook && a.client.length > 0), 'has a webhook and clients: it can have only one of them'),
  v.transform(
    (a): ProvisionedAccount => ({ realm: a.realm, isActive: a.active, webhook: a.webhook, clients: a.client }),
  ),
);
