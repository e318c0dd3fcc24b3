/** Tables that the platform has too keep its names and, with NOCASE, its collation, to share queries with MySQL. */
export const SCHEMA = `
CREATE TABLE IF NOT EXISTS webhooks (
  webhook_sid TEXT PRIMARY KEY,
  url TEXT NOT NULL,
  method TEXT NOT NULL DEFAULT 'POST',
  username TEXT,
  password TEXT
);
CREATE TABLE IF NOT EXISTS accounts (
  account_sid TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  sip_realm TEXT COLLATE NOCASE UNIQUE,
  service_provider_sid TEXT,
  registration_hook_sid TEXT REFERENCES webhooks,
  is_active INTEGER NOT NULL DEFAULT 1,
  webhook_secret TEXT,
  device_to_call_ratio INTEGER NOT NULL DEFAULT 5
);
CREATE TABLE IF NOT EXISTS clients (
  client_sid TEXT PRIMARY KEY,
  account_sid TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
  is_active INTEGER NOT NULL DEFAULT 1,
  username TEXT COLLATE NOCASE NOT NULL,
  password TEXT,
  allow_direct_app_calling INTEGER NOT NULL DEFAULT 1,
  allow_direct_queue_calling INTEGER NOT NULL DEFAULT 1,
  allow_direct_user_calling INTEGER NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX IF NOT EXISTS clients_username ON clients (account_sid, username);
CREATE TABLE IF NOT EXISTS products (
  product_sid TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  category TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS account_subscriptions (
  account_subscription_sid TEXT PRIMARY KEY,
  account_sid TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
  pending INTEGER NOT NULL DEFAULT 0,
  effective_start_date TEXT,
  effective_end_date TEXT
);
CREATE TABLE IF NOT EXISTS account_products (
  account_product_sid TEXT PRIMARY KEY,
  account_subscription_sid TEXT NOT NULL REFERENCES account_subscriptions ON DELETE CASCADE,
  product_sid TEXT NOT NULL REFERENCES products,
  quantity INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS bindings (
  aor TEXT NOT NULL,
  key TEXT NOT NULL,
  json TEXT NOT NULL,
  PRIMARY KEY (aor, key)
) WITHOUT ROWID;
-- One row per AOR with bindings: the realm of its account, and when the last of them expires, in ms.
CREATE TABLE IF NOT EXISTS aors (
  aor TEXT PRIMARY KEY,
  realm TEXT NOT NULL,
  expiry INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS aors_expiry ON aors (expiry);
CREATE TABLE IF NOT EXISTS realms (
  realm TEXT PRIMARY KEY,
  aors INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nonces (
  id TEXT PRIMARY KEY,
  count INTEGER NOT NULL,
  expiry INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS nonces_expiry ON nonces (expiry);
-- at: time of the last check-in, in ms.
CREATE TABLE IF NOT EXISTS servers (
  kind TEXT NOT NULL,
  member TEXT NOT NULL,
  ip TEXT NOT NULL,
  at INTEGER NOT NULL,
  calls INTEGER,
  service_url TEXT,
  PRIMARY KEY (kind, member)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS drained (ip TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS voip_carriers (
  voip_carrier_sid TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  account_sid TEXT,
  service_provider_sid TEXT,
  is_active INTEGER NOT NULL DEFAULT 1,
  requires_register INTEGER NOT NULL DEFAULT 0,
  register_username TEXT,
  register_sip_realm TEXT,
  register_password TEXT,
  register_from_user TEXT,
  register_from_domain TEXT,
  register_public_ip_in_contact INTEGER NOT NULL DEFAULT 0,
  register_status TEXT,
  outbound_sip_proxy TEXT,
  trunk_type TEXT NOT NULL DEFAULT 'static_ip'
);
CREATE TABLE IF NOT EXISTS sip_gateways (
  sip_gateway_sid TEXT PRIMARY KEY,
  voip_carrier_sid TEXT NOT NULL REFERENCES voip_carriers ON DELETE CASCADE,
  ipv4 TEXT NOT NULL,
  netmask INTEGER NOT NULL DEFAULT 32,
  port INTEGER,
  inbound INTEGER NOT NULL DEFAULT 0,
  outbound INTEGER NOT NULL DEFAULT 0,
  is_active INTEGER NOT NULL DEFAULT 1,
  send_options_ping INTEGER NOT NULL DEFAULT 0,
  use_sips_scheme INTEGER NOT NULL DEFAULT 0,
  protocol TEXT NOT NULL DEFAULT 'udp'
);
CREATE INDEX IF NOT EXISTS sip_gateways_voip_carrier_sid ON sip_gateways (voip_carrier_sid);
CREATE TABLE IF NOT EXISTS system_information (
  domain_name TEXT,
  sip_domain_name TEXT,
  private_network_cidr TEXT
);
CREATE TABLE IF NOT EXISTS sbc_addresses (
  sbc_address_sid TEXT PRIMARY KEY,
  ipv4 TEXT NOT NULL,
  port INTEGER NOT NULL DEFAULT 5060,
  tls_port INTEGER,
  wss_port INTEGER,
  service_provider_sid TEXT,
  last_updated TEXT
);
CREATE INDEX IF NOT EXISTS sbc_addresses_ipv4_port ON sbc_addresses (ipv4, port);
-- Times in milliseconds since the machine started.
CREATE TABLE IF NOT EXISTS machine_leases (
  name TEXT PRIMARY KEY,
  token TEXT NOT NULL,
  taken_at INTEGER NOT NULL,
  expiry INTEGER NOT NULL
) WITHOUT ROWID;
-- Earlier versions kept leases by the time of day here.
DROP TABLE IF EXISTS leases;
-- Times below are milliseconds since the epoch.
CREATE TABLE IF NOT EXISTS ephemeral_gateways (
  ip TEXT NOT NULL,
  voip_carrier_sid TEXT NOT NULL,
  expiry INTEGER NOT NULL,
  PRIMARY KEY (ip, voip_carrier_sid)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blacklisted_gateways (
  sip_gateway_sid TEXT PRIMARY KEY,
  expiry INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trunk_contacts (
  sip_gateway_sid TEXT PRIMARY KEY,
  contact TEXT NOT NULL,
  until INTEGER NOT NULL,
  registrar TEXT NOT NULL
) WITHOUT ROWID;
-- The score of a source at a time, from which it decays.
CREATE TABLE IF NOT EXISTS suspects (
  source TEXT PRIMARY KEY,
  score REAL NOT NULL,
  at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bans (
  source TEXT PRIMARY KEY,
  until INTEGER NOT NULL,
  times INTEGER NOT NULL
) WITHOUT ROWID;
-- minute: since the epoch.
CREATE TABLE IF NOT EXISTS wrong_answers (
  aor TEXT PRIMARY KEY,
  minute INTEGER NOT NULL,
  count INTEGER NOT NULL
) WITHOUT ROWID;
`;
