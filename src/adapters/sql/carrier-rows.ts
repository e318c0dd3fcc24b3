import { isIP } from 'node:net';
import type { Gateway, Trunk } from '../../ports/carriers.ts';
import { unbracketed } from '../../sip/ip.ts';
import type { OutboundTransport } from '../../sip/next-hop.ts';
import type { CarrierRow, GatewayRow } from './carrier-queries.ts';

/** A row that makes no usable gateway; its message is logged. */
export class CarrierRowError extends Error {
  override readonly name = 'CarrierRowError';
}

const TRANSPORTS: Readonly<Record<string, OutboundTransport>> = {
  udp: 'udp',
  tcp: 'tcp',
  tls: 'tls',
  'tls/srtp': 'tls',
};
/** `192.0.2.1:5060`, `sip.example.com:5060`, `[2001:db8::1]:5060`. */
const HAS_PORT = /^([^:]*|\[.*\]):\d*$/;
/** Host names as in SIP URIs, plus the underscore of private zones. */
const NAME = /^[a-z0-9_.-]{1,253}$/i;

/** @throws CarrierRowError */
export function gatewayOf(carrier: CarrierRow, row: GatewayRow): Gateway {
  const transport = TRANSPORTS[text(row.protocol)?.toLowerCase() ?? 'udp'];
  if (!transport) throw new CarrierRowError('its protocol is not known');
  const address = text(row.ipv4) ?? '';
  if (HAS_PORT.test(address)) throw new CarrierRowError('its address contains a port, which has a column of its own');
  const host = unbracketed(address);
  if (isIP(host) === 0 && !NAME.test(host)) throw new CarrierRowError('its address is neither an address nor a name');
  const port = row.port ?? 0;
  const outboundProxy = text(carrier.outbound_sip_proxy);
  const serviceProviderSid = carrier.service_provider_sid ?? carrier.account_service_provider_sid;
  if (port < 0 || port > 65_535) throw new CarrierRowError('its port is out of range');
  return {
    gatewaySid: row.sip_gateway_sid,
    carrierSid: carrier.voip_carrier_sid,
    carrierName: nameOf(carrier),
    ...(carrier.account_sid && { accountSid: carrier.account_sid }),
    ...(serviceProviderSid && { serviceProviderSid }),
    host,
    ...(port > 0 && { port }),
    transport,
    sips: transport === 'tls' && Boolean(row.use_sips_scheme),
    ...(outboundProxy && { outboundProxy }),
  };
}

/** @throws CarrierRowError */
export function trunkOf(carrier: CarrierRow, row: GatewayRow): Trunk {
  const gateway = gatewayOf(carrier, row);
  const username = text(carrier.register_username);
  if (username === undefined) throw new CarrierRowError('it has no username');
  const fromUser = text(carrier.register_from_user);
  const fromDomain = text(carrier.register_from_domain);
  const accountRealm = text(carrier.account_realm);
  return {
    ...gateway,
    trunkType: carrier.trunk_type === 'reg' || carrier.trunk_type === 'auth' ? carrier.trunk_type : 'static_ip',
    username,
    // Not trimmed: blanks may be part of a password.
    ...(carrier.register_password && { password: carrier.register_password }),
    realm: text(carrier.register_sip_realm) ?? gateway.host,
    ...(fromUser && { fromUser }),
    ...(fromDomain && { fromDomain }),
    publicIpInContact: Boolean(carrier.register_public_ip_in_contact),
    ...(accountRealm && { accountRealm }),
  };
}

/** Why a carrier has no gateway to register with; undefined when it has one. */
export function lackOfGateway(rows: readonly GatewayRow[]): string | undefined {
  if (rows.length === 0) return 'it has no gateway';
  const outbound = rows.filter((row) => row.outbound);
  if (outbound.length === 0) return 'it has no outbound gateway';
  return outbound.some((row) => row.is_active) ? undefined : 'its outbound gateways are inactive';
}

/** Whether a carrier and its account, if it has one, are active. */
export function isActive(carrier: CarrierRow): boolean {
  return Boolean(carrier.is_active) && (carrier.account_sid === null || Boolean(carrier.account_is_active));
}

export function nameOf(carrier: CarrierRow): string {
  return text(carrier.name) ?? carrier.voip_carrier_sid;
}

/** Trimmed; undefined when empty. */
function text(value: string | null): string | undefined {
  return value?.trim() || undefined;
}
