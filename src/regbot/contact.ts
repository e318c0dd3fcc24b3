import { BlockList, isIPv4, isIPv6 } from 'node:net';
import type { Trunk } from '../outbound-ports.ts';
import { type Listener, parseHostports } from '../sip/hostports.ts';
import { parseUri, type SipUri } from '../sip/uri.ts';

/** Addresses that mean nothing to a carrier: RFC 1918, RFC 6598, RFC 3927, loopback, RFC 4193, RFC 4291. */
const NOT_PUBLIC = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  NOT_PUBLIC.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const)
  NOT_PUBLIC.addSubnet(network, prefix, 'ipv6');

/** What decides on the host of our Contact, besides the trunk. */
export interface ContactRules {
  /** Our address for every trunk, whatever it says. */
  readonly contactUseIp: boolean;
  /** What the SIP server listens on, as {@link SipClient.hostports}. */
  readonly hostports: string;
  readonly sipDomain: string | undefined;
}

/** The URI at which a carrier reaches us. */
export function contactUri(trunk: Trunk, rules: ContactRules): string {
  const byAddress = trunk.publicIpInContact || rules.contactUseIp;
  const host =
    (byAddress && publicAddress(rules.hostports, trunk.transport)) ||
    trunk.accountRealm ||
    rules.sipDomain ||
    bracketed(trunk.realm);
  return `${scheme(trunk)}:${userOf(trunk)}@${host};transport=${trunk.transport}`;
}

/** RFC 3261 8.1.1.8: a `sips` Request-URI demands a `sips` Contact. */
export function scheme(trunk: Trunk): 'sip' | 'sips' {
  return trunk.sips ? 'sips' : 'sip';
}

/** The user under which we register, fit for a URI. */
export function userOf(trunk: Trunk): string {
  return escapeUser(trunk.fromUser || trunk.username);
}

/** Puts an IPv6 address in the brackets that a URI wants. */
export function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}

/**
 * `ip:port` of a transport as the outside sees it: a public address, else any of that transport, else the same of UDP.
 * undefined when the list has none of them.
 */
function publicAddress(hostports: string, transport: Trunk['transport']): string | undefined {
  const all = parseHostports(hostports);
  const ofTransport = (name: string) => {
    const those = all.filter((l) => l.proto === name);
    return those.find(isPublic) ?? those[0];
  };
  const chosen = ofTransport(transport) ?? ofTransport('udp');
  return chosen && `${bracketed(chosen.address)}:${chosen.port}`;
}

function isPublic({ address }: Listener): boolean {
  return !NOT_PUBLIC.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

/** Names such as `acme@example.com` are common; what is escaped already stays as it is. */
function escapeUser(user: string): string {
  return user.replace(/%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-_.!~*'()&=+$,;?/%]/gu, (char) => encodeURIComponent(char));
}

/** Whether two URIs are equal by RFC 3261 19.1.4, headers of a URI aside: a Contact of ours has none. */
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

/** Those of which one that only one URI has makes them differ; `transport`, as it may lead elsewhere. */
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

/**
 * Where an outbound proxy setting points: `host`, `host:port`, or a whole URI.
 * @throws SipSyntaxError
 */
export function readProxy(text: string): { host: string; port: number | undefined } {
  const trimmed = text.trim();
  const uri = parseUri(/^sips?:/i.test(trimmed) ? trimmed : `sip:${bracketed(trimmed)}`);
  return { host: uri.host.replace(/^\[|\]$/g, ''), port: uri.port };
}
