import type { SipResponse } from '../sip/message.ts';

/**
 * Whether a final response to an OPTIONS proves that a gateway is alive. A refusal (4xx, 6xx) or an unknown method
 * (501) does. A timeout, a transport error and any other 5xx do not.
 */
export function provesLife({ status, local }: Pick<SipResponse, 'status' | 'local'>): boolean {
  if (local || status === 408) return false;
  return status === 501 || status < 500 || status >= 600;
}
