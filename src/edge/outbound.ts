import { isIP } from 'node:net';
import { readHead } from '../sip/head.ts';
import { MalformedMessage, type SipRequest, type Wire } from '../sip/message.ts';
import { param } from '../sip/params.ts';
import { parseMessage } from '../sip/parse-message.ts';
import { SipSyntaxError } from '../sip/syntax.ts';
import { parseUri, type SipUri } from '../sip/uri.ts';
import { composeRequest } from './compose.ts';
import { MAX_UDP_REQUEST_BYTES } from './limits.ts';
import { newBranch, newId, newTag } from './tokens.ts';
import type { Transports } from './transports/listen.ts';
import type { Transport } from './transports/transport.ts';

/** Why a request of an app is not sent. */
export class NotSent extends Error {
  override readonly name = 'NotSent';
}

/** A request that is ready to go. */
export interface Outbound {
  readonly request: SipRequest;
  readonly wire: Wire;
  readonly transport: Transport;
  readonly address: string;
  readonly port: number;
  /** Whom the peer must prove to be, where it must: the host of the Request-URI, as a route is an address (RFC 5922 7.3). */
  readonly name: string | undefined;
  /** The same by UDP, for when it goes by TCP only because it is long and the peer knows no TCP. */
  readonly byUdp?: Outbound;
}

const START_LINE = /^([A-Za-z0-9\-.!%*_+`'~]+) (\S+) SIP\/2\.0$/;

/**
 * Makes a request out of what an app has written.
 * @param route where to send it, '' for where its Request-URI points
 * @throws NotSent
 */
export function prepareRequest(text: string, route: string, transports: Transports, cseq: number): Outbound {
  const { startLine, headers, fault, body } = readAppMessage(text);
  const [, method, uri] = START_LINE.exec(startLine) ?? [];
  if (method === undefined || uri === undefined) throw new NotSent(`invalid start line: ${startLine}`);
  if (fault !== undefined) throw new NotSent(fault);
  if (method === 'INVITE' || method === 'ACK' || method === 'CANCEL') throw new NotSent(`${method} is not supported`);
  const target = uriOf(route || uri);
  if (!target) throw new NotSent(`invalid request-uri: ${startLine}`);

  const address = target.host.replace(/^\[|\]$/g, '');
  if (isIP(address) === 0) throw new NotSent(`not an IP address: ${target.host}`);
  const protocol = (param(target.params, 'transport') || (target.scheme === 'sips' ? 'tls' : 'udp')).toLowerCase();
  const branch = newBranch();
  const tag = newTag();
  const callId = newId();

  const over = (protocol: string): Outbound => {
    const transport = transports.towards(protocol, address, target.port);
    if (!transport) throw new NotSent('requested protocol/transport not available');
    const sentBy = transports.sentBy(transport, address);
    const asked = transport.reliable ? [] : [{ name: 'rport' }];
    const via = { protocol: transport.viaProtocol, ...sentBy, params: [...asked, { name: 'branch', value: branch }] };
    const from = `<sip:${sentBy.host}:${transport.port}${protocol === 'udp' ? '' : `;transport=${protocol}`}>`;
    const wire = composeRequest({ method, uri, headers, body }, { via, from, tag, callId, cseq });
    const port = target.port ?? transport.defaultPort;
    return { request: checked(wire, startLine), wire, transport, address, port, name: nameOf(uriOf(uri)?.host ?? '') };
  };

  const outbound = over(protocol);
  const tooLong = protocol === 'udp' && Buffer.byteLength(outbound.wire) > MAX_UDP_REQUEST_BYTES;
  return tooLong && transports.towards('tcp', address) ? { ...over('tcp'), byUdp: outbound } : outbound;
}

/** A host that is a domain name; undefined when it is an address, in brackets or not. */
export function nameOf(host: string): string | undefined {
  return host === '' || isIP(host.replace(/^\[|\]$/g, '')) !== 0 ? undefined : host;
}

/** An app's text: a message of which the edge fills in the rest. Line breaks in values are what it cannot contain. */
export function readAppMessage(text: string) {
  const blank = text.indexOf('\r\n\r\n');
  const end = blank < 0 ? text.length : blank + 4;
  return { ...readHead(text.slice(0, end)), body: Buffer.from(text.slice(end)) };
}

/** What the edge would refuse to receive it does not send. */
function checked(wire: Wire, startLine: string): SipRequest {
  try {
    const message = parseMessage(Buffer.from(wire));
    if (message.kind === 'request') return message;
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    if (error.message === 'Malformed From' || error.message === 'Malformed To') throw new NotSent('Error creating leg');
    if (error.message !== 'Malformed Request-URI') throw new NotSent(error.message);
  }
  throw new NotSent(`invalid request-uri: ${startLine}`);
}

function uriOf(text: string): SipUri | undefined {
  try {
    return parseUri(text);
  } catch (error) {
    if (error instanceof SipSyntaxError) return undefined;
    throw error;
  }
}
