import type { DigestClient } from '../digest/client.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timers } from '../lib/timers.ts';
import type { Trunk } from '../ports/carriers.ts';
import type { NextHops } from '../ports/next-hops.ts';
import type { SipClient } from '../ports/sip-server.ts';
import type { NextHop } from '../sip/next-hop.ts';
import type { AvoidedTargets } from './avoided-targets.ts';

export interface AttemptContext {
  readonly sip: SipClient;
  readonly nextHops: NextHops;
  readonly targets: AvoidedTargets;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Whether we still lead; called before each request. */
  mayAct(): boolean;
}

/** What to send: a REGISTER that makes, refreshes or ends a registration. */
export interface Task {
  readonly trunk: Trunk;
  /** Our Contact towards a next hop. */
  contactAt(hop: NextHop): string;
  /** A Contact that the registrar may hold; the request removes it if it is another than ours. */
  readonly held?: string | undefined;
  /** Seconds; 0 ends the registration. */
  readonly expires: number;
  readonly userAgent: string;
  readonly tag: string;
  readonly digest: DigestClient;
  /** The binding that we have at the carrier: the target that granted it, asked first, and when it expires. */
  readonly binding?: Binding;
  /** No request is sent after this many milliseconds. */
  readonly deadlineMs: number;
  nextCseq(): number;
  /** False once the registration has moved on: its outcome no longer matters. */
  isCurrent(): boolean;
}

export interface Binding {
  readonly holder: NextHop;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export type Outcome = Granted | Failed | Abandoned;

/** Expiries in seconds. */
export interface Granted {
  readonly kind: 'granted';
  readonly contact: string;
  readonly expires: number;
  /** Higher than in the task after a 423. */
  readonly requestedExpires: number;
  readonly reason: string;
  /** When the granted request was sent, milliseconds since the epoch. */
  readonly sentAt: number;
  /** The target that granted it. */
  readonly holder: NextHop;
  /** For trunk type `reg`: all addresses of the gateway, unless its name could not be resolved. */
  readonly addresses?: readonly string[];
}

export interface Failed {
  readonly kind: 'failed';
  readonly reason: string;
  readonly status?: number;
  readonly retryAfterSeconds?: number;
  /** Whether the refused request was to remove the Contact held, too. */
  readonly replacing?: boolean;
  /** True when our side failed, for example the SIP server or the DNS, not the carrier. */
  readonly ourFault: boolean;
}

/** Stopped because the task is no longer current, or because we no longer lead. */
export interface Abandoned {
  readonly kind: 'abandoned';
}
