import * as v from 'valibot';
import { host, nonEmpty, port, realm, upTo } from './syntax.ts';

const gateway = v.pipe(
  v.strictObject({
    host,
    port: v.optional(port),
    protocol: v.optional(v.picklist(['udp', 'tcp', 'tls', 'tls/srtp'], 'must be udp, tcp, tls or tls/srtp'), 'udp'),
    sips: v.optional(v.boolean(), false),
    options_ping: v.optional(v.boolean(), false),
    active: v.optional(v.boolean(), true),
  }),
  v.check((g) => !g.sips || g.protocol.startsWith('tls'), 'asks for sips URIs without TLS'),
);

/** `[[carrier]]`. The lengths are those of the platform's columns. */
export const carrier = v.pipe(
  v.strictObject({
    name: upTo(64),
    active: v.optional(v.boolean(), true),
    /** The realm of the account that it belongs to; without one it serves all. */
    account: v.optional(realm),
    trunk_type: v.optional(v.picklist(['static_ip', 'auth', 'reg'], 'must be static_ip, auth or reg'), 'static_ip'),
    register: v.optional(v.strictObject({ username: upTo(64), password: upTo(64), realm: v.optional(upTo(64)) })),
    from_user: v.optional(upTo(128)),
    from_domain: v.optional(upTo(255)),
    outbound_proxy: v.optional(v.pipe(nonEmpty, v.regex(/^[^\s;,<>@]{1,255}$/, 'must be host or host:port'))),
    public_ip_in_contact: v.optional(v.boolean(), false),
    gateway: v.optional(v.array(gateway), []),
  }),
  v.check((c) => c.trunk_type !== 'reg' || c.register !== undefined, 'is of trunk type reg and has no register'),
  v.check((c) => new Set(c.gateway.map(gatewayKey)).size === c.gateway.length, 'names a gateway twice'),
);

export type ProvisionedCarrier = v.InferOutput<typeof carrier>;
export type ProvisionedGateway = ProvisionedCarrier['gateway'][number];

/** What makes a gateway of a carrier the same one. */
export function gatewayKey(g: {
  readonly host: string;
  readonly port?: number | null | undefined;
  readonly protocol: string;
}) {
  return `${g.protocol}/${g.host.toLowerCase()}:${g.port ?? ''}`;
}
