import type { SipResponse } from '../sip/message.ts';

/**
 * Whether a final answer to an OPTIONS proves that a gateway is alive: whoever refuses, does not know us (4xx) or does
 * not know the method (501) answers all the same. It does not when nobody answered (408, which the SIP server makes), when
 * it could not be reached, and when it says itself that it is in trouble (other 5xx).
 */
export function provesLife({ status, local }: Pick<SipResponse, 'status' | 'local'>): boolean {
  if (local || status === 408) return false;
  return status === 501 || status < 500 || status >= 600;
}
