import type { OutboundRequest } from '../ports/sip-server.ts';
import { joinHostPort, normalIp } from '../sip/ip.ts';
import { MalformedMessage } from '../sip/message.ts';
import type { OutboundTransport } from '../sip/next-hop.ts';
import { parseMessage } from '../sip/parse-message.ts';
import { tryParse } from '../sip/syntax.ts';
import { parseUri } from '../sip/uri.ts';
import { composeRequest } from './compose.ts';
import { MAX_UDP_REQUEST_BYTES } from './limits.ts';
import { newBranch, newId, newTag } from './tokens.ts';
import type { Transports } from './transports/listen.ts';
import { type PeerNames, peerNames } from './transports/peer-names.ts';
import type { Transport } from './transports/transport.ts';

export class NotSent extends Error {
  override readonly name = 'NotSent';
}

export interface PreparedRequest {
  readonly method: string;
  readonly branch: string;
  readonly wire: string;
  readonly transport: Transport;
  readonly address: string;
  readonly port: number;
  /** Of which the peer's certificate must prove one (RFC 5922 7.3). */
  readonly names: PeerNames;
  /** The same request for UDP, if the peer of a long request has no TCP. */
  readonly byUdp?: PreparedRequest;
}

/**
 * Composes a request for a transport that leads to its next hop.
 * @param cseq the sequence number, unless the request has one
 * @throws NotSent when no transport leads there or the message would be malformed
 */
export function prepareRequest(request: OutboundRequest, transports: Transports, cseq: number): PreparedRequest {
  const { method, uri, nextHop, headers } = request;
  const { port, transport: protocol } = nextHop;
  const address = normalIp(nextHop.address);
  const fromTag = newTag();
  const callId = newId();
  const host = hostOf(uri);
  if (address === undefined || !(port > 0 && port < 65_536))
    throw new NotSent(`not an address: ${joinHostPort(nextHop.address, port)}`);
  const names = peerNames([...(request.peerNames ?? []), host], address);

  const over = (protocol: OutboundTransport): PreparedRequest => {
    const transport = transports.towards(protocol, address, port);
    if (!transport) throw new NotSent('requested protocol/transport not available');
    const { host, port: sentByPort } = transports.sentBy(transport, address);
    // A branch per transaction, and the two transports are two transactions.
    const branch = newBranch();
    const params = [{ name: 'branch', value: branch }];
    const via = {
      protocol: transport.viaProtocol,
      host,
      ...(sentByPort !== undefined && { port: sentByPort }),
      params: transport.reliable ? params : [{ name: 'rport' }, ...params],
    };
    const from = `<sip:${host}:${transport.port}${protocol === 'udp' ? '' : `;transport=${protocol}`}>`;
    const wire = checked(() => composeRequest(method, uri, headers, { via, from, fromTag, callId, cseq }));
    return { method, branch, wire, transport, address, port, names };
  };

  const prepared = over(protocol);
  const tooLong = protocol === 'udp' && Buffer.byteLength(prepared.wire) > MAX_UDP_REQUEST_BYTES;
  return tooLong && transports.towards('tcp', address) ? { ...over('tcp'), byUdp: prepared } : prepared;
}

/** @throws NotSent when the edge itself would refuse the message */
function checked(compose: () => string): string {
  try {
    const wire = compose();
    parseMessage(Buffer.from(wire));
    return wire;
  } catch (error) {
    if (error instanceof MalformedMessage) throw new NotSent(error.message);
    throw new NotSent(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function hostOf(uri: string): string {
  const parsed = tryParse(() => parseUri(uri));
  if (!parsed) throw new NotSent(`invalid request-uri: ${uri}`);
  return parsed.host;
}
