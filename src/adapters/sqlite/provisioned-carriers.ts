import type { Database } from 'bun:sqlite';
import { randomUUID } from 'node:crypto';
import { gatewayKey, type ProvisionedCarrier, type ProvisionedGateway } from '../../ports/provisioning.ts';

/**
 * Replaces all carriers and gateways; call it inside a transaction. Carriers and gateways that stay keep their sids, and
 * carriers their register status.
 * @param accounts sids by realm
 * @param encrypt for passwords
 */
export function applyCarriers(
  database: Database,
  carriers: readonly ProvisionedCarrier[],
  accounts: ReadonlyMap<string, string>,
  encrypt: (secret: string) => string,
): void {
  const known = knownSids(database);
  const kept = new Set<string>();
  for (const carrier of carriers) {
    const carrierSid = known.carriers.get(carrier.name) ?? randomUUID();
    kept.add(carrierSid);
    const password = carrier.register && encrypt(carrier.register.password);
    putCarrier(database, carrierSid, carrier, password, carrier.accountRealm && accounts.get(carrier.accountRealm));
    for (const gateway of carrier.gateways) {
      const gatewaySid = known.gateways.get(`${carrierSid} ${gatewayKey(gateway)}`) ?? randomUUID();
      kept.add(gatewaySid);
      putGateway(database, gatewaySid, carrierSid, gateway);
    }
  }
  for (const sid of known.gateways.values())
    if (!kept.has(sid)) database.query('DELETE FROM sip_gateways WHERE sip_gateway_sid = ?').run(sid);
  for (const sid of known.carriers.values())
    if (!kept.has(sid)) database.query('DELETE FROM voip_carriers WHERE voip_carrier_sid = ?').run(sid);
}

/** The sids of carriers by name, and of gateways by `<carrier sid> <gateway key>`. */
function knownSids(database: Database) {
  const carriers = database.query<{ sid: string; name: string }, []>(
    'SELECT voip_carrier_sid AS sid, name FROM voip_carriers',
  );
  const gateways = database.query<
    { sid: string; carrierSid: string; host: string; port: number | null; protocol: string },
    []
  >(
    `SELECT sip_gateway_sid AS sid, voip_carrier_sid AS carrierSid, ipv4 AS host, port, protocol
     FROM sip_gateways`,
  );
  return {
    carriers: new Map(carriers.all().map(({ name, sid }) => [name, sid])),
    gateways: new Map(gateways.all().map((row) => [`${row.carrierSid} ${gatewayKey(row)}`, row.sid])),
  };
}

function putCarrier(
  database: Database,
  sid: string,
  carrier: ProvisionedCarrier,
  password: string | undefined,
  accountSid: string | undefined,
): void {
  const { register } = carrier;
  put(database, 'voip_carriers', {
    voip_carrier_sid: sid,
    name: carrier.name,
    account_sid: accountSid ?? null,
    is_active: carrier.isActive,
    requires_register: register !== undefined,
    register_username: register?.username ?? null,
    register_sip_realm: register?.realm ?? null,
    register_password: password ?? null,
    register_from_user: carrier.fromUser ?? null,
    register_from_domain: carrier.fromDomain ?? null,
    register_public_ip_in_contact: carrier.publicIpInContact,
    outbound_sip_proxy: carrier.outboundProxy ?? null,
    trunk_type: carrier.trunkType,
  });
}

function putGateway(database: Database, sid: string, carrierSid: string, gateway: ProvisionedGateway): void {
  put(database, 'sip_gateways', {
    sip_gateway_sid: sid,
    voip_carrier_sid: carrierSid,
    ipv4: gateway.host,
    port: gateway.port ?? null,
    outbound: true,
    is_active: gateway.isActive,
    send_options_ping: gateway.optionsPing,
    use_sips_scheme: gateway.sips,
    protocol: gateway.protocol,
  });
}

/** Inserts a row, or updates these columns of the existing one; the first column is the key. */
function put(database: Database, table: string, row: Readonly<Record<string, string | number | boolean | null>>): void {
  const columns = Object.keys(row);
  const updates = columns.slice(1).map((column) => `${column} = excluded.${column}`);
  database
    .query(
      `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})
       ON CONFLICT (${columns[0]}) DO UPDATE SET ${updates.join(', ')}`,
    )
    .run(...Object.values(row));
}
