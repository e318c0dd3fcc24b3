import type { SipAnswer } from '../ports.ts';

/** What happens to an OPTIONS: whoever asks whether we are here is told so (RFC 3261 11.2). */
export async function options(): Promise<SipAnswer> {
  return { status: 200, headers: { Allow: 'REGISTER, OPTIONS' } };
}
