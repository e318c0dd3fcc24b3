import type { Trunk } from '../ports/carriers.ts';
import { addressOn } from '../sip/hostports.ts';
import { bracketed, familyOf } from '../sip/ip.ts';
import type { SipUri } from '../sip/uri.ts';

/** Together with the trunk, determines the host of our Contact. */
export interface ContactRules {
  readonly contactUseIp: boolean;
  readonly hostports: string;
  readonly sipDomain: string | undefined;
}

/** The URI at which a carrier reaches us. An address in it has the family of `peer`, the address of the next hop. */
export function contactUri(trunk: Trunk, peer: string, rules: ContactRules): string {
  const family = familyOf(peer);
  const byAddress = trunk.publicIpInContact || rules.contactUseIp;
  const host =
    (byAddress && (addressOn(rules.hostports, trunk.transport, family) ?? addressOn(rules.hostports, 'udp', family))) ||
    trunk.accountRealm ||
    rules.sipDomain ||
    bracketed(trunk.realm);
  return `${scheme(trunk)}:${userOf(trunk)}@${host};transport=${trunk.transport}`;
}

/** RFC 3261 8.1.1.8: a `sips` Request-URI demands a `sips` Contact. */
export function scheme(trunk: Trunk): 'sip' | 'sips' {
  return trunk.sips ? 'sips' : 'sip';
}

/** The user part of our AOR, escaped. */
export function userOf(trunk: Trunk): string {
  return escapeUser(trunk.fromUser || trunk.username);
}

/** User names such as `acme@example.com` are common. Existing escapes are kept. */
function escapeUser(user: string): string {
  return user.replace(/%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-_.!~*'()&=+$,;?/%]/gu, (char) => encodeURIComponent(char));
}

/** URI comparison of RFC 3261 19.1.4, without URI headers, which our Contacts do not have. */
export function equalUris(a: SipUri, b: SipUri): boolean {
  const x = simplified(a);
  const y = simplified(b);
  if (x.address !== y.address) return false;
  const names = new Set([...x.params.keys(), ...y.params.keys()]);
  return [...names].every((name) => {
    const [one, other] = [x.params.get(name), y.params.get(name)];
    return one === other || (!MUST_BE_IN_BOTH.has(name) && (one === undefined || other === undefined));
  });
}

/** Parameters that must be in both URIs or in neither; we add `transport`, which can change the target. */
const MUST_BE_IN_BOTH = new Set(['user', 'ttl', 'method', 'maddr', 'transport']);

function simplified(uri: SipUri) {
  const user = uri.user?.replace(/%[0-9A-Fa-f]{2}/g, (escaped) => {
    const char = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return /[A-Za-z0-9\-_.!~*'()]/.test(char) ? char : escaped.toUpperCase();
  });
  return {
    address: JSON.stringify([uri.scheme, user, uri.password, uri.host, uri.port]),
    params: new Map(uri.params.map((p) => [p.name, (p.value ?? '').toLowerCase()])),
  };
}
