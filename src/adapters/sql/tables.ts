/** The columns that we use of the platform's tables. Booleans are 0 or 1. */
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
  voip_carriers: {
    voip_carrier_sid: string;
    name: string;
    account_sid: string | null;
    service_provider_sid: string | null;
    is_active: number;
    requires_register: number;
    register_username: string | null;
    register_sip_realm: string | null;
    register_password: string | null;
    register_from_user: string | null;
    register_from_domain: string | null;
    register_public_ip_in_contact: number;
    register_status: string | null;
    outbound_sip_proxy: string | null;
    trunk_type: string;
  };
  sip_gateways: {
    sip_gateway_sid: string;
    voip_carrier_sid: string;
    ipv4: string;
    netmask: number;
    port: number | null;
    inbound: number;
    outbound: number;
    is_active: number;
    send_options_ping: number;
    use_sips_scheme: number;
    protocol: string;
  };
  sbc_addresses: {
    sbc_address_sid: string;
    ipv4: string;
    port: number;
    tls_port: number | null;
    wss_port: number | null;
    service_provider_sid: string | null;
    last_updated: string | Date | null;
  };
  system_information: {
    domain_name: string | null;
    sip_domain_name: string | null;
    private_network_cidr: string | null;
  };
}
