import type { OutboundTransport } from '../sip/next-hop.ts';

/** An outbound gateway of a carrier. */
export interface Gateway {
  readonly gatewaySid: string;
  readonly carrierSid: string;
  readonly carrierName: string;
  readonly accountSid?: string;
  readonly serviceProviderSid?: string;
  /** Address or DNS name; IPv6 without brackets. */
  readonly host: string;
  readonly port?: number;
  /** `tls` also stands for the platform's `tls/srtp`. */
  readonly transport: OutboundTransport;
  /** Use `sips:` Request-URIs; only with TLS. */
  readonly sips: boolean;
  /** The carrier's; replaces the gateway as the next hop. */
  readonly outboundProxy?: string;
}

/** A gateway that we register with. */
export interface Trunk extends Gateway {
  readonly trunkType: 'static_ip' | 'auth' | 'reg';
  readonly username: string;
  readonly password?: string;
  /** Domain of the Request-URI, and of From and To unless `fromDomain` is set. */
  readonly realm: string;
  readonly fromUser?: string;
  readonly fromDomain?: string;
  readonly publicIpInContact: boolean;
  /** SIP realm of the account that owns the carrier. */
  readonly accountRealm?: string;
}

/** A carrier that requires registration, or a gateway of it, that cannot be registered with. */
export interface Unregistrable {
  readonly carrierSid: string;
  readonly carrierName: string;
  /** Absent when the carrier has no gateway to register with. */
  readonly gatewaySid?: string;
  /** For the operator: `it has no outbound gateway`. */
  readonly why: string;
}

/** The JSON in voip_carriers.register_status, shown by the webapp. */
export interface RegisterStatus {
  readonly status: 'ok' | 'fail';
  /** `200 OK`, or an error message. */
  readonly reason: string;
  readonly cseq?: string;
  readonly callId?: string;
  /** ISO 8601. */
  readonly timestamp: string;
  /** Granted expiry in seconds. */
  readonly expires?: number;
}

export interface CarrierDirectory {
  /** Reads every active trunk and pinged gateway, and what cannot be registered, in two queries. */
  read(): Promise<Carriers>;
  /** Truncates the reason so that the JSON fits into 4096 characters. Does nothing for an unknown carrier. */
  saveRegisterStatus(carrierSid: string, status: RegisterStatus): Promise<void>;
  /** Deactivates a carrier of trunk type `reg`; clears `requires_register` for the others. */
  disableRegistration(carrierSid: string, trunkType: Trunk['trunkType']): Promise<void>;
  disablePing(gatewaySid: string): Promise<void>;
}

export interface Carriers {
  readonly trunks: readonly Trunk[];
  /** Absent when there is none. */
  readonly unregistrable?: readonly Unregistrable[];
  /** Sids of carriers that require no registration now, while their register_status says `ok`; absent when there is none. */
  readonly switchedOff?: readonly string[];
  /** Gateways with OPTIONS pings enabled. */
  readonly pinged: readonly Gateway[];
  /** system_information.sip_domain_name */
  readonly sipDomain?: string;
}
