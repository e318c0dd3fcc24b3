import type { Trunk } from '../ports/carriers.ts';
import type { OutboundRequest } from '../ports/sip-server.ts';
import { bracketed } from '../sip/ip.ts';
import type { NextHop } from '../sip/next-hop.ts';
import { peerNames } from '../sip/route.ts';
import { SipSyntaxError } from '../sip/syntax.ts';
import { parseUri } from '../sip/uri.ts';
import { scheme, userOf } from './contact.ts';

/** The parts of a REGISTER that differ between requests of one trunk. */
export interface RegisterParts {
  readonly uri: string;
  readonly contact: string;
  /** A Contact that the same request removes. */
  readonly replaced?: string | undefined;
  readonly hop: NextHop;
  /** The server that `hop` is an address of, as configured. */
  readonly host: string;
  readonly cseq: number;
  readonly tag: string;
  /** Seconds; 0 ends the registration (RFC 3261 10.2.2). */
  readonly expires: number;
  readonly userAgent: string;
  /** The values of Authorization and Proxy-Authorization, a header line each. */
  readonly credentials: Readonly<Record<string, readonly string[]>>;
}

/** The Request-URI of a trunk's REGISTER (RFC 3261 10.2). @throws SipSyntaxError when its realm is not a host */
export function registrarUri(trunk: Trunk): string {
  return valid(`${scheme(trunk)}:${bracketed(trunk.realm)}`);
}

/**
 * Composes a REGISTER (RFC 3261 10.2).
 * @throws SipSyntaxError when a setting of the trunk makes an invalid URI or header
 */
export function composeRegister(trunk: Trunk, parts: RegisterParts): OutboundRequest {
  const { uri, contact, replaced, hop, host, cseq, tag, expires, userAgent, credentials } = parts;
  const aor = valid(`sip:${userOf(trunk)}@${bracketed(trunk.fromDomain || trunk.realm)}`);
  const headers = {
    'Call-ID': trunk.gatewaySid,
    CSeq: `${cseq} REGISTER`,
    From: `<${aor}>;tag=${tag}`,
    To: `<${aor}>`,
    Contact: `<${valid(contact)}>;expires=${expires}${replaced === undefined ? '' : `, <${valid(replaced)}>;expires=0`}`,
    Expires: String(expires),
    'User-Agent': userAgent,
    ...credentials,
  };
  for (const [name, value] of Object.entries(headers))
    if ([value].flat().some((text) => /\p{Cc}/u.test(text))) throw new SipSyntaxError(`control characters in ${name}`);
  return { method: 'REGISTER', uri, nextHop: hop, ...peerNames(host, parseUri(uri).host), headers };
}

/** @throws SipSyntaxError that names the URI */
function valid(uri: string): string {
  try {
    parseUri(uri);
    return uri;
  } catch (error) {
    if (!(error instanceof SipSyntaxError)) throw error;
    throw new SipSyntaxError(`${JSON.stringify(uri)}: ${error.message}`);
  }
}
