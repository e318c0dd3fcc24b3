import type { Kysely } from 'kysely';
import type { Tables } from './tables.ts';

/** Matches the register_status of a carrier that was registered last. */
const STATUS_OK = '%"status":"ok"%';

/**
 * Active carriers that require registration or have gateways to ping, and switched-off ones whose status says that they
 * are registered.
 */
export function selectCarriers(db: Kysely<Tables>) {
  return db
    .selectFrom('voip_carriers as c')
    .leftJoin('accounts as a', 'a.account_sid', 'c.account_sid')
    .select([
      'c.voip_carrier_sid',
      'c.name',
      'c.account_sid',
      'c.service_provider_sid',
      'c.requires_register',
      'c.register_username',
      'c.register_sip_realm',
      'c.register_password',
      'c.register_from_user',
      'c.register_from_domain',
      'c.register_public_ip_in_contact',
      'c.outbound_sip_proxy',
      'c.trunk_type',
      'c.is_active',
      'a.sip_realm as account_realm',
      'a.is_active as account_is_active',
      'a.service_provider_sid as account_service_provider_sid',
      (eb) => eb('c.register_status', 'like', STATUS_OK).as('has_status_ok'),
      (eb) => eb.selectFrom('system_information').select('sip_domain_name').limit(1).as('sip_domain_name'),
    ])
    .where((eb) =>
      eb.or([
        eb('c.register_status', 'like', STATUS_OK),
        eb.and([
          eb('c.is_active', '=', 1),
          eb.or([eb('c.account_sid', 'is', null), eb('a.is_active', '=', 1)]),
          eb.or([
            eb('c.requires_register', '=', 1),
            eb.exists(
              eb
                .selectFrom('sip_gateways as g')
                .select('g.sip_gateway_sid')
                .whereRef('g.voip_carrier_sid', '=', 'c.voip_carrier_sid')
                .where('g.send_options_ping', '=', 1),
            ),
          ]),
        ]),
      ]),
    )
    .orderBy('c.voip_carrier_sid')
    .execute();
}

/** Gateways of active carriers: all of those that require registration, of the others those to ping. */
export function selectGateways(db: Kysely<Tables>) {
  return db
    .selectFrom('sip_gateways as g')
    .innerJoin('voip_carriers as c', 'c.voip_carrier_sid', 'g.voip_carrier_sid')
    .select([
      'g.sip_gateway_sid',
      'g.voip_carrier_sid',
      'g.ipv4',
      'g.port',
      'g.protocol',
      'g.use_sips_scheme',
      'g.send_options_ping',
      'g.outbound',
      'g.is_active',
    ])
    .where('c.is_active', '=', 1)
    .where((eb) =>
      eb.or([
        eb('c.requires_register', '=', 1),
        eb.and([eb('g.send_options_ping', '=', 1), eb('g.outbound', '=', 1), eb('g.is_active', '=', 1)]),
      ]),
    )
    .orderBy('g.sip_gateway_sid')
    .execute();
}

export type CarrierRow = Awaited<ReturnType<typeof selectCarriers>>[number];
export type GatewayRow = Awaited<ReturnType<typeof selectGateways>>[number];
