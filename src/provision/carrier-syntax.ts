import * as v from 'valibot';
import type { ProvisionedCarrier, ProvisionedGateway } from '../ports/provisioning.ts';
import { host, nonEmpty, port, realm, upTo } from './syntax.ts';

const gateway = v.pipe(
  v.strictObject({
    host,
    port: v.exactOptional(port),
    protocol: v.optional(v.picklist(['udp', 'tcp', 'tls', 'tls/srtp'], 'must be udp, tcp, tls or tls/srtp'), 'udp'),
    sips: v.optional(v.boolean(), false),
    options_ping: v.optional(v.boolean(), false),
    active: v.optional(v.boolean(), true),
  }),
  v.check((g) => !g.sips || g.protocol.startsWith('tls'), 'asks for sips URIs without TLS'),
  v.transform(
    (g): ProvisionedGateway => ({
      host: g.host,
      port: g.port,
      protocol: g.protocol,
      isActive: g.active,
      sips: g.sips,
      optionsPing: g.options_ping,
    }),
  ),
);

/** `[[carrier]]`. Lengths are those of the platform's columns. */
export const carrier = v.pipe(
  v.strictObject({
    name: upTo(64),
    active: v.optional(v.boolean(), true),
    account: v.exactOptional(realm),
    trunk_type: v.optional(v.picklist(['static_ip', 'auth', 'reg'], 'must be static_ip, auth or reg'), 'static_ip'),
    register: v.exactOptional(
      v.strictObject({ username: upTo(64), password: upTo(64), realm: v.exactOptional(upTo(64)) }),
    ),
    from_user: v.exactOptional(upTo(128)),
    from_domain: v.exactOptional(upTo(255)),
    outbound_proxy: v.exactOptional(
      v.pipe(nonEmpty, v.regex(/^[^\s,<>]{1,255}$/, 'must be host, host:port or a SIP URI')),
    ),
    public_ip_in_contact: v.optional(v.boolean(), false),
    gateway: v.optional(v.array(gateway), []),
  }),
  v.check((c) => c.trunk_type !== 'reg' || c.register !== undefined, 'is of trunk type reg and has no register'),
  v.transform(
    (c): ProvisionedCarrier => ({
      name: c.name,
      isActive: c.active,
      accountRealm: c.account,
      trunkType: c.trunk_type,
      register: c.register,
      fromUser: c.from_user,
      fromDomain: c.from_domain,
      outboundProxy: c.outbound_proxy,
      publicIpInContact: c.public_ip_in_contact,
      gateways: c.gateway,
    }),
  ),
);
