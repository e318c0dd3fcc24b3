/** The columns of the platform's tables that we use, for Kysely. Booleans are 0 or 1. */
export interface Tables {
  accounts: {
    account_sid: string;
    name: string;
    sip_realm: string | null;
    service_provider_sid: string | null;
    registration_hook_sid: string | null;
    is_active: number;
    webhook_secret: string | null;
    device_to_call_ratio: number;
  };
  webhooks: {
    webhook_sid: string;
    url: string;
    method: string;
    username: string | null;
    password: string | null;
  };
  clients: {
    client_sid: string;
    account_sid: string;
    is_active: number;
    username: string;
    password: string | null;
    allow_direct_app_calling: number;
    allow_direct_queue_calling: number;
    allow_direct_user_calling: number;
  };
  account_subscriptions: {
    account_subscription_sid: string;
    account_sid: string;
    pending: number;
    effective_end_date: string | Date | null;
  };
  account_products: {
    account_product_sid: string;
    account_subscription_sid: string;
    product_sid: string;
    quantity: number;
  };
  products: { product_sid: string; name: string; category: string };
  settings: { name: string; value: string };
}
