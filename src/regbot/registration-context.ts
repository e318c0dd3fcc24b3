import type { RegisterStatus, Trunk } from '../ports/carriers.ts';
import type { OutboundTransport } from '../sip/next-hop.ts';
import type { Cseqs } from './cseqs.ts';
import type { HeldContacts } from './held-contacts.ts';
import type { Pace } from './pace.ts';
import type { State } from './states.ts';
import type { AttemptContext } from './task.ts';

/** Expiries in seconds. */
export interface TrunkRegistrationSettings {
  readonly defaultExpires: number;
  /** Shorter granted expiries count as this. */
  readonly minExpires: number;
  readonly contactUseIp: boolean;
  readonly userAgent: string;
  readonly failureRetrySeconds: number;
  /** Responses from `removeCodes` in a row after which the registration is disabled. */
  readonly failureThreshold: number;
  readonly removeCodes: readonly number[];
}

/** How a registration reports to its fleet. Only `disable` may throw. */
export interface TrunkRegistrationEvents {
  status(trunk: Trunk, status: RegisterStatus): void;
  /** The carrier's calls come from these addresses. @param expiresAt milliseconds since the epoch */
  holdAddresses(trunk: Trunk, addresses: readonly string[], expiresAt: number): void;
  releaseAddresses(trunk: Trunk): void;
  disable(trunk: Trunk, refusal: string): Promise<void>;
  /** It is registered, or not any more. */
  changed(view: TrunkRegistrationView): void;
  /** @param refusal the response for which we disabled it */
  gone(trunk: Trunk, refusal: string | undefined): void;
}

export interface TrunkRegistrationContext extends AttemptContext {
  readonly settings: TrunkRegistrationSettings;
  readonly events: TrunkRegistrationEvents;
  readonly pace: Pace;
  readonly cseqs: Cseqs;
  readonly contacts: HeldContacts;
  readonly random: () => number;
  readonly sipDomain: string | undefined;
}

/** A registration as `trunk list` shows it. Times are in milliseconds since the epoch. */
export interface TrunkRegistrationView {
  readonly carrier: string;
  readonly carrierSid: string;
  /** Sid of the gateway, also used as Call-ID. */
  readonly gateway: string;
  readonly host: string;
  readonly port: number | undefined;
  readonly transport: OutboundTransport;
  readonly realm: string;
  readonly username: string;
  readonly trunkType: Trunk['trunkType'];
  readonly state: State;
  readonly since: number;
  /** When our binding at the carrier expires, if there is one. */
  readonly expiresAt: number | undefined;
  readonly lastReason: string | undefined;
  readonly nextTryAt: number | undefined;
  readonly failures: number;
  /** Of the last request; 0 before the first. */
  readonly cseq: number;
}
