import type { Offence } from '../abuse/index.ts';
import type { SipAnswer } from '../ports/sip-server.ts';

interface Rejection {
  readonly status: number;
  readonly phrase?: string;
  readonly why?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Counts against the source. */
  readonly offence?: Offence;
}

/** Refusals whose time would tell whether a user exists. */
const TIMED: ReadonlySet<Offence> = new Set(['wrong password', 'unknown user', 'answer for a closed AOR']);

const RETRY = { 'Retry-After': '5' };

/** Every reason to refuse a REGISTER. No other code in this folder writes an error status. */
const REJECTIONS = {
  DomainIsAddress: { status: 403, level: 'info', offence: 'malformed request' },
  InvalidAor: { status: 403, why: 'Invalid address of record', level: 'info', offence: 'malformed request' },
  MalformedContact: { status: 400, why: 'Malformed Contact', level: 'info', offence: 'malformed request' },
  CallIdTooLong: { status: 400, why: 'Call-ID too long', level: 'info', offence: 'malformed request' },
  MalformedAuthorization: { status: 400, why: 'Malformed Authorization', level: 'info', offence: 'malformed request' },
  WildcardMisused: {
    status: 400,
    why: 'Contact * needs Expires 0 and no other Contact',
    level: 'info',
    offence: 'malformed request',
  },
  TooManyContactsAsked: { status: 400, why: 'Too many Contacts', level: 'info' },
  IntervalTooBrief: { status: 423, level: 'debug' },
  AccountInactive: { status: 403, why: 'Account has been deactivated', level: 'info' },
  UnknownRealm: { status: 403, why: 'Unknown or invalid realm', level: 'info', offence: 'unknown realm' },
  UnknownRealmHosted: { status: 403, level: 'info', offence: 'unknown realm' },
  TooManyDevices: { status: 503, phrase: 'Max Devices Registered', level: 'info' },
  Challenge: { status: 401, level: 'debug' },
  InvalidCredentials: { status: 403, why: 'Invalid credentials', level: 'info', offence: 'wrong password' },
  UnknownUser: { status: 403, why: 'Invalid credentials', level: 'info', offence: 'unknown user' },
  /** The AOR has had too many wrong answers; the same response, so that guesses learn nothing. */
  GuessedTooOften: { status: 403, why: 'Invalid credentials', level: 'debug', offence: 'answer for a closed AOR' },
  DeniedByWebhook: { status: 403, why: 'Invalid credentials', level: 'info', offence: 'webhook denial' },
  WebhookRefusedRequest: { status: 403, level: 'info' },
  WebhookFailed: { status: 503, headers: RETRY, level: 'info' },
  TooManyContacts: { status: 403, why: 'Too many contacts', level: 'info' },
  OutOfOrder: { status: 500, why: 'CSeq is not above the last one', level: 'info' },
  // The outage is logged once, where it is noticed.
  StoreUnavailable: { status: 503, headers: RETRY, level: 'debug' },
  QueryRefused: { status: 503, headers: RETRY, level: 'info' },
  Unforeseen: { status: 500, level: 'error' },
} satisfies Record<string, Rejection>;

export type RefusalReason = keyof typeof REJECTIONS;

function offenceOf(reason: RefusalReason): Offence | undefined {
  const { offence }: Rejection = REJECTIONS[reason];
  return offence;
}

/** The refusal of a REGISTER. A value rather than an exception, so that any step can return one. */
export class Refusal {
  constructor(
    readonly reason: RefusalReason,
    /** Headers that depend on the request; they override those of the table. */
    readonly headers: SipAnswer['headers'] = {},
    readonly detail?: string,
    /** Counts against the source; by default that of the table. */
    readonly offence: Offence | undefined = offenceOf(reason),
  ) {}

  /** Whether every such refusal is to take the same time. */
  get isTimed(): boolean {
    return this.offence !== undefined && TIMED.has(this.offence);
  }

  get level(): Rejection['level'] {
    return REJECTIONS[this.reason].level;
  }
}

/** The response that a refusal is sent as. */
export function reject(refusal: Refusal): SipAnswer {
  const { status, phrase, why, headers }: Rejection = REJECTIONS[refusal.reason];
  return {
    status,
    ...(phrase !== undefined && { reason: phrase }),
    headers: { ...(why !== undefined && { 'X-Reason': why }), ...headers, ...refusal.headers },
  };
}
