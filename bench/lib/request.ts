/** What every branch begins with (RFC 3261 8.1.1.7). */
export const COOKIE = 'z9hG4bK';

export interface RequestParts {
  readonly method: 'REGISTER' | 'OPTIONS';
  /** The domain of the Request-URI. */
  readonly realm: string;
  /** From and To, in angle brackets. */
  readonly aor: string;
  readonly tag: string;
  /** Transport and sent-by: `UDP 127.0.0.1:1234`. */
  readonly via: string;
  /** What follows the cookie. */
  readonly branch: string;
  readonly callId: string;
  readonly cseq: number;
  /** Further header lines, each with its CRLF. */
  readonly more?: string;
}

/** The request that all phones of the benchmarks send, without a body. */
export function requestText(parts: RequestParts): string {
  const { method, realm, aor, tag, via, branch, callId, cseq, more = '' } = parts;
  return (
    `${method} sip:${realm} SIP/2.0\r\nVia: SIP/2.0/${via};branch=${COOKIE}${branch};rport\r\nMax-Forwards: 70\r\n` +
    `From: ${aor};tag=${tag}\r\nTo: ${aor}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq} ${method}\r\n${more}` +
    'User-Agent: sidecar-bench\r\nContent-Length: 0\r\n\r\n'
  );
}

/** The Contact header line and the Expires header line. @param uri without angle brackets */
export function contactLines(uri: string, expires = 3600): string {
  return `Contact: <${uri}>\r\nExpires: ${expires}\r\n`;
}
