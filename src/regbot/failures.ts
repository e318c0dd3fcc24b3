import { Unavailable } from '../ports/errors.ts';
import type { NameError } from '../ports/next-hops.ts';
import { NO_BODY, type SipResponse } from '../sip/message.ts';
import { reasonPhrase } from '../sip/reason-phrases.ts';
import { retryAfter } from './response.ts';
import type { Failed } from './task.ts';

export const REDIRECTED_AGAIN: Failed = { kind: 'failed', reason: 'redirected again', ourFault: false };

export function unresolved(error: NameError | Unavailable): Failed {
  return { kind: 'failed', reason: error.message, ourFault: error instanceof Unavailable };
}

export function refusal(response: SipResponse, why?: string): Failed {
  const cause = why ?? response.why ?? (response.local ? LOCAL[response.status] : undefined);
  const seconds = retryAfter(response);
  return {
    kind: 'failed',
    reason: `${response.status} ${response.reason}${cause ? `, ${cause}` : ''}`,
    status: response.status,
    ourFault: false,
    ...(seconds !== undefined && { retryAfterSeconds: seconds }),
  };
}

/** What the SIP server would say after Timer F (RFC 3261 17.1.2.2). */
export function noAnswer(ms: number): SipResponse {
  const why = `no answer in ${Math.round(ms / 1000)} s`;
  return { kind: 'response', status: 408, reason: reasonPhrase(408), local: true, why, headers: [], body: NO_BODY };
}

const LOCAL: Readonly<Record<number, string>> = { 408: 'no answer', 503: 'cannot be reached' };
