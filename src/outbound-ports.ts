/**
 * What the outbound side (registrations at carriers, pings of gateways, this SBC's addresses) needs of the world. The
 * rule of ports.ts holds: a method does what it says or throws `Unavailable`.
 */

export type OutboundTransport = 'udp' | 'tcp' | 'tls';

/** A carrier's gateway: where requests to that carrier go. */
export interface Gateway {
  readonly gatewaySid: string;
  readonly carrierSid: string;
  readonly carrierName: string;
  readonly accountSid?: string;
  readonly serviceProviderSid?: string;
  /** Address or DNS name; IPv6 without brackets. */
  readonly host: string;
  readonly port?: number;
  /** Of `tls/srtp` the `tls`. */
  readonly transport: OutboundTransport;
  /** Requests carry a `sips:` URI. Only with TLS. */
  readonly sips: boolean;
}

/** A registration to keep: a gateway of a carrier that wants one. */
export interface Trunk extends Gateway {
  readonly trunkType: 'static_ip' | 'auth' | 'reg';
  readonly username: string;
  readonly password?: string;
  /** The carrier's domain: Request-URI, and From unless `fromDomain` is given. */
  readonly realm: string;
  readonly fromUser?: string;
  readonly fromDomain?: string;
  /** `host` or `host:port` that requests go to instead of the gateway. */
  readonly outboundProxy?: string;
  readonly publicIpInContact: boolean;
  /** The SIP realm of the account whose carrier this is. */
  readonly accountRealm?: string;
}

/** The JSON at voip_carriers.register_status, which the webapp shows. */
export interface RegisterStatus {
  readonly status: 'ok' | 'fail';
  /** `200 OK`, or what went wrong, in words. */
  readonly reason: string;
  readonly cseq?: string;
  readonly callId?: string;
  /** ISO 8601. */
  readonly timestamp: string;
  /** Seconds granted. */
  readonly expires?: number;
}

/** Carriers and gateways. */
export interface CarrierDirectory {
  /** All that the outbound side acts on, in two queries whatever there is. */
  read(): Promise<Carriers>;
  /** Cut so that the JSON has at most 4096 characters. */
  saveRegisterStatus(carrierSid: string, status: RegisterStatus): Promise<void>;
  /** Stops its registration: trunk type `reg` becomes inactive as a whole, others no longer require one. */
  disableRegistration(carrierSid: string, trunkType: Trunk['trunkType']): Promise<void>;
  disablePing(gatewaySid: string): Promise<void>;
}

export interface Carriers {
  readonly trunks: readonly Trunk[];
  /** Those that want OPTIONS pings. */
  readonly pinged: readonly Gateway[];
  /** system_information.sip_domain_name */
  readonly sipDomain?: string;
}

/** Which sidecar of a cluster acts outwards: one at a time, for as long as it renews. */
export interface Lease {
  /** @returns whether nobody held it and we do now, for `lengthMs` */
  take(token: string, lengthMs: number): Promise<boolean>;
  /** @returns whether it was still ours and is for `lengthMs` more */
  renew(token: string, lengthMs: number): Promise<boolean>;
  /** Gives it back when it is ours. */
  release(token: string): Promise<void>;
  /** The token of whoever holds it. */
  holder(): Promise<string | undefined>;
}

/** Addresses that are a carrier's for as long as we are registered there: calls from them are its. */
export interface EphemeralGateways {
  /** @param expiresAt milliseconds since the epoch */
  set(ip: string, carrierSid: string, expiresAt: number): Promise<void>;
  remove(ip: string, carrierSid: string): Promise<void>;
}

/** Gateways that call routing skips. */
export interface GatewayBlacklist {
  add(gatewaySid: string, ttlSeconds: number): Promise<void>;
  remove(gatewaySid: string): Promise<void>;
}

export interface SbcAddress {
  readonly ip: string;
  /** UDP. */
  readonly port: number;
  readonly tlsPort?: number;
  readonly wssPort?: number;
}

/** The public addresses of all SBCs, which become DNS records. */
export interface SbcAddresses {
  /** Puts these in, or renews them, and removes all that are older than `deadSeconds`, in one transaction. */
  announce(addresses: readonly SbcAddress[], deadSeconds: number): Promise<void>;
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

/** One place to send a request to (RFC 3263). */
export interface NextHop {
  /** IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  readonly transport: OutboundTransport;
}

/** RFC 3263 4: from a host to addresses. */
export interface NextHops {
  /**
   * The targets in the order to try them, at least one.
   * @throws NameError when the name has no address; Unavailable when the DNS does not answer
   */
  resolve(host: string, port: number | undefined, transport: OutboundTransport): Promise<readonly NextHop[]>;
}

/** The DNS says that a name has no address. */
export class NameError extends Error {
  override readonly name = 'NameError';
}
