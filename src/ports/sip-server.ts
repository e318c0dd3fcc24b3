/** A request as it reached the SIP server. */
export interface SipRequest {
  readonly method: string;
  readonly uri: string;
  /** All header lines, names in their usual spelling. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** A header by its name in its usual spelling; several lines of one name are joined by commas. */
  header(name: string): string | undefined;
  readonly source: { readonly address: string; readonly port: number };
  /** What carried it: `udp`, `tcp` or `tls`; for WebSocket what is under it. */
  readonly transport: string;
  /** This SIP server: everything it listens on, as drachtio told us, and the `ip:port` that is private. */
  readonly server: { readonly hostports: string; readonly privateAddress: string };
}

/** The answer to a request. An array of values becomes one header line each. */
export interface SipAnswer {
  readonly status: number;
  readonly reason?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

export interface OutboundRequest {
  readonly method: 'REGISTER' | 'OPTIONS';
  /** Request-URI. */
  readonly uri: string;
  /** Where to: `sip:<ip>:<port>;transport=<transport>`, IPv6 in brackets. Nothing is resolved on the way. */
  readonly route: string;
  /** Names in their usual spelling. From tag, Via, Max-Forwards and, when absent, Call-ID and CSeq are filled in. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface SipResponse {
  readonly status: number;
  readonly reason: string;
  /** True when the SIP server made it: nobody answered (408), or the peer could not be reached (503). */
  readonly local: boolean;
  /** The values of a header, one for each line of that name, in order. */
  header(name: string): readonly string[];
}

/** Sends requests through the SIP server. */
export interface SipClient {
  /**
   * @returns the final response
   * @throws Unavailable when there is no connection to the SIP server, when it is lost, when the server refuses to send,
   * and when there is no response within `deadlineMs`
   */
  request(request: OutboundRequest, deadlineMs: number): Promise<SipResponse>;
  /** What the server listens on, as the outside sees it: `udp/192.0.2.1:5060,tcp/192.0.2.1:5060`; '' before it told. */
  readonly hostports: string;
}
