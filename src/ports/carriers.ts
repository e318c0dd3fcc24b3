import type { OutboundTransport } from '../sip/next-hop.ts';

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
