import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { normalIp, unbracketed } from '../../sip/ip.ts';

/** Who a TLS peer is expected to be. */
export interface PeerNames {
  /** Sent as SNI; '' when no domain name is known (RFC 6066 3). */
  readonly sni: string;
  /** Domain names and addresses of which its certificate must prove one. */
  readonly accepted: readonly string[];
}

export const ANY_PEER: PeerNames = { sni: '', accepted: [] };

/** The certificate of a peer proves none of the names expected of it. */
export class WrongCertificate extends Error {
  override readonly name = 'WrongCertificate';
  constructor(accepted: readonly string[], certificate: PeerCertificate) {
    const identities = identitiesOf(certificate).slice(0, MAX_SHOWN);
    const owner = identities.length > 0 ? identities.join(', ') : 'no SIP domain';
    super(`certificate is for ${owner}, not for ${accepted.slice(0, MAX_SHOWN).join(' or ')}`);
  }
}

/** Names in one message; a certificate may have hundreds. */
const MAX_SHOWN = 4;
const DOMAIN_NAME = /^[a-z\d_]([\w.-]{0,251}[a-z\d_])?$/i;

/**
 * The names of a peer at an address. Without a domain name among the hosts the peer must prove its address.
 * @param hosts of the configured next hop first; IPv6 with or without brackets
 */
export function peerNames(hosts: readonly string[], address: string): PeerNames {
  const known = hosts.map((host) => normalIp(unbracketed(host)) ?? host.toLowerCase().replace(/\.$/, ''));
  const accepted = [...new Set(known)].filter((host) => host === address || isDomainName(host));
  const sni = accepted.find(isDomainName);
  return sni === undefined ? { sni: '', accepted: [address] } : { sni, accepted };
}

/**
 * The first of the names that a certificate proves. RFC 5922 7.1: by a `sip:` URI without a user part, by DNS (wildcards
 * too, unlike 7.2), and by the common name only without these.
 */
export function provenName(accepted: readonly string[], certificate: PeerCertificate): string | undefined {
  const domains = sipDomains(certificate);
  const other = hasSipUri(certificate) ? { ...certificate, subject: { ...certificate.subject, CN: '' } } : certificate;
  return accepted.find((name) => domains.includes(name) || checkServerIdentity(name, other) === undefined);
}

function isDomainName(host: string): boolean {
  return isIP(host) === 0 && DOMAIN_NAME.test(host);
}

/** Names with a comma are in quotes there and match nothing. */
function alternativeNames({ subjectaltname = '' }: PeerCertificate): readonly string[] {
  return subjectaltname.split(', ');
}

function hasSipUri(certificate: PeerCertificate): boolean {
  return alternativeNames(certificate).some((name) => /^URI:"?sips?:/i.test(name));
}

function sipDomains(certificate: PeerCertificate): string[] {
  return alternativeNames(certificate).flatMap((name) => {
    const [, host] = /^URI:sip:([^@;?:]+)(?::\d+)?(?:[;?][^@]*)?$/i.exec(name) ?? [];
    return host === undefined ? [] : [host.toLowerCase()];
  });
}

/** What a certificate proves, for people to read. */
function identitiesOf(certificate: PeerCertificate): string[] {
  const others = alternativeNames(certificate).flatMap((name) => {
    const [, value] = /^(?:DNS|IP Address):([\w.*:-]+)$/.exec(name) ?? [];
    return value === undefined ? [] : [normalIp(value) ?? value];
  });
  const all = new Set([...sipDomains(certificate), ...others]);
  if (all.size > 0 || hasSipUri(certificate)) return [...all];
  const { CN } = certificate.subject ?? {};
  return [CN ?? []].flat().filter((name) => DOMAIN_NAME.test(name));
}
