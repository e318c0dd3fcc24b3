import type { Trunk } from './carriers.ts';
import type { Webhook } from './directory.ts';

/** All accounts and carriers of embedded mode. */
export interface Provisioning {
  readonly accounts: readonly ProvisionedAccount[];
  readonly carriers: readonly ProvisionedCarrier[];
}

/** Has a webhook or clients, not both. */
export interface ProvisionedAccount {
  /** In lower case. */
  readonly realm: string;
  readonly isActive: boolean;
  readonly webhook: Webhook | undefined;
  readonly clients: readonly ProvisionedClient[];
}

export interface ProvisionedClient {
  readonly username: string;
  /** In clear. */
  readonly password: string;
  readonly isActive: boolean;
  readonly grant: {
    readonly allowDirectAppCalling: boolean;
    readonly allowDirectQueueCalling: boolean;
    readonly allowDirectUserCalling: boolean;
  };
}

export interface ProvisionedCarrier {
  readonly name: string;
  readonly isActive: boolean;
  /** The realm of the account that it belongs to; undefined: it serves all accounts. */
  readonly accountRealm: string | undefined;
  readonly trunkType: Trunk['trunkType'];
  /** The credentials to register with; undefined: no registration. */
  readonly register: { readonly username: string; readonly password: string; readonly realm?: string } | undefined;
  readonly fromUser: string | undefined;
  readonly fromDomain: string | undefined;
  /** `host` or `host:port`. */
  readonly outboundProxy: string | undefined;
  readonly publicIpInContact: boolean;
  readonly gateways: readonly ProvisionedGateway[];
}

export interface ProvisionedGateway {
  readonly host: string;
  readonly port: number | undefined;
  readonly protocol: 'udp' | 'tcp' | 'tls' | 'tls/srtp';
  readonly isActive: boolean;
  /** Requests carry a `sips:` URI. */
  readonly sips: boolean;
  /** Whether the gateway is pinged by OPTIONS. */
  readonly optionsPing: boolean;
}

/** Two gateways of a carrier are the same one when their keys are equal. */
export function gatewayKey(gateway: {
  readonly host: string;
  readonly port?: number | null | undefined;
  readonly protocol: string;
}): string {
  return `${gateway.protocol}/${gateway.host.toLowerCase()}:${gateway.port ?? ''}`;
}

/** How many there are of each. */
export interface ProvisionedCounts {
  readonly accounts: number;
  readonly clients: number;
  readonly carriers: number;
  readonly gateways: number;
}

/** The accounts and carriers of embedded mode, to be written. */
export interface ProvisioningStore {
  /**
   * Replaces all accounts and carriers, wholly or not at all. An account whose realm, a carrier whose name and a gateway
   * whose key was there before keep their sids, and carriers also the status of their registration.
   */
  apply(provisioning: Provisioning): void;
  counts(): ProvisionedCounts;
  /** In clear; undefined without such a client, and when the stored password cannot be decrypted. */
  clientPassword(realm: string, username: string): string | undefined;
}
