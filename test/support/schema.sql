-- The tables and columns of the platform's database that the sidecar reads and writes; the real ones have more.

CREATE TABLE service_providers (
  service_provider_sid CHAR(36) NOT NULL PRIMARY KEY,
  name VARCHAR(64) NOT NULL UNIQUE,
  root_domain VARCHAR(128) NULL UNIQUE,
  registration_hook_sid CHAR(36) NULL
);

CREATE TABLE webhooks (
  webhook_sid CHAR(36) NOT NULL PRIMARY KEY,
  url VARCHAR(1024) NOT NULL,
  method ENUM('GET', 'POST') NOT NULL DEFAULT 'POST',
  username VARCHAR(255) NULL,
  password VARCHAR(255) NULL
);

CREATE TABLE accounts (
  account_sid CHAR(36) NOT NULL PRIMARY KEY,
  name VARCHAR(64) NOT NULL,
  sip_realm VARCHAR(132) NULL UNIQUE,
  service_provider_sid CHAR(36) NULL,
  registration_hook_sid CHAR(36) NULL,
  is_active TINYINT(1) NOT NULL DEFAULT 1,
  webhook_secret VARCHAR(36) NULL,
  device_to_call_ratio INT NOT NULL DEFAULT 5,
  KEY accounts_service_provider_sid (service_provider_sid),
  CONSTRAINT accounts_registration_hook FOREIGN KEY (registration_hook_sid) REFERENCES webhooks (webhook_sid)
);

-- No index on username: a look-up by name reads all clients of an account.
CREATE TABLE clients (
  client_sid CHAR(36) NOT NULL PRIMARY KEY,
  account_sid CHAR(36) NOT NULL,
  is_active TINYINT(1) NOT NULL DEFAULT 1,
  username VARCHAR(64) NULL,
  password VARCHAR(1024) NULL,
  allow_direct_app_calling TINYINT(1) NOT NULL DEFAULT 1,
  allow_direct_queue_calling TINYINT(1) NOT NULL DEFAULT 1,
  allow_direct_user_calling TINYINT(1) NOT NULL DEFAULT 1,
  KEY clients_account_sid (account_sid)
);

CREATE TABLE account_subscriptions (
  account_subscription_sid CHAR(36) NOT NULL PRIMARY KEY,
  account_sid CHAR(36) NOT NULL,
  pending TINYINT(1) NOT NULL DEFAULT 0,
  effective_start_date DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  effective_end_date DATETIME NULL,
  KEY account_subscriptions_account_sid (account_sid)
);

CREATE TABLE products (
  product_sid CHAR(36) NOT NULL PRIMARY KEY,
  name VARCHAR(64) NOT NULL,
  category ENUM('api_rate', 'voice_call_session', 'device') NOT NULL
);

CREATE TABLE account_products (
  account_product_sid CHAR(36) NOT NULL PRIMARY KEY,
  account_subscription_sid CHAR(36) NOT NULL,
  product_sid CHAR(36) NOT NULL,
  quantity INT NOT NULL,
  KEY account_products_account_subscription_sid (account_subscription_sid),
  KEY account_products_product_sid (product_sid)
);

CREATE TABLE voip_carriers (
  voip_carrier_sid CHAR(36) NOT NULL PRIMARY KEY,
  name VARCHAR(64) NOT NULL,
  account_sid CHAR(36) NULL,
  service_provider_sid CHAR(36) NULL,
  is_active TINYINT(1) NOT NULL DEFAULT 1,
  requires_register TINYINT(1) NOT NULL DEFAULT 0,
  register_username VARCHAR(64) NULL,
  register_sip_realm VARCHAR(64) NULL,
  register_password VARCHAR(64) NULL,
  register_from_user VARCHAR(128) NULL,
  register_from_domain VARCHAR(255) NULL,
  register_public_ip_in_contact TINYINT(1) NOT NULL DEFAULT 0,
  register_status VARCHAR(4096) NULL,
  outbound_sip_proxy VARCHAR(255) NULL,
  trunk_type ENUM('static_ip', 'auth', 'reg') NOT NULL DEFAULT 'static_ip',
  KEY voip_carriers_account_sid (account_sid),
  KEY voip_carriers_service_provider_sid (service_provider_sid)
);

CREATE TABLE sip_gateways (
  sip_gateway_sid CHAR(36) NOT NULL PRIMARY KEY,
  voip_carrier_sid CHAR(36) NOT NULL,
  ipv4 VARCHAR(128) NOT NULL,
  netmask INT NOT NULL DEFAULT 32,
  port INT NULL,
  inbound TINYINT(1) NOT NULL DEFAULT 0,
  outbound TINYINT(1) NOT NULL DEFAULT 0,
  is_active TINYINT(1) NOT NULL DEFAULT 1,
  send_options_ping TINYINT(1) NOT NULL DEFAULT 0,
  use_sips_scheme TINYINT(1) NOT NULL DEFAULT 0,
  protocol ENUM('udp', 'tcp', 'tls', 'tls/srtp') NOT NULL DEFAULT 'udp',
  KEY sip_gateways_voip_carrier_sid (voip_carrier_sid)
);

-- The index on the address is plain: two rows of one address are possible.
CREATE TABLE sbc_addresses (
  sbc_address_sid CHAR(36) NOT NULL PRIMARY KEY,
  ipv4 VARCHAR(255) NOT NULL,
  port INT NOT NULL DEFAULT 5060,
  tls_port INT NULL,
  wss_port INT NULL,
  service_provider_sid CHAR(36) NULL,
  last_updated DATETIME NULL,
  KEY sbc_addresses_ipv4_port (ipv4, port)
);

CREATE TABLE system_information (
  domain_name VARCHAR(255) NULL,
  sip_domain_name VARCHAR(255) NULL,
  private_network_cidr VARCHAR(8192) NULL
);
