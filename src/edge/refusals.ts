import { headerValue, type SipRequest } from '../sip/message.ts';
import type { Answer } from './compose.ts';

/** What apps may ask for. */
export const METHODS = ['REGISTER', 'OPTIONS'] as const;
const ALLOW = { name: 'Allow', value: METHODS.join(', ') };

/** Why a well-formed request reaches no app, in the order of RFC 3261 8.2; undefined when it does. */
export function refusalOf({ method, uri, headers }: SipRequest): Answer | undefined {
  if (!(METHODS as readonly string[]).includes(method)) {
    // 9.2: no transaction of ours is ever left to cancel; those there are end at once.
    if (method === 'CANCEL') return { status: 481, reason: 'Call/Transaction Does Not Exist' };
    return { status: 405, reason: 'Method Not Allowed', headers: [ALLOW] };
  }
  if (!/^sips?:/i.test(uri)) return { status: 416, reason: 'Unsupported URI Scheme' };

  // 8.2.2.3: no extension is one that the edge itself must understand; what apps support they tell in no Require.
  const required = headers.filter((h) => h.name === 'Require').flatMap((h) => h.value.split(','));
  const unsupported = required.map((tag) => tag.trim()).filter((tag) => tag !== '');
  if (unsupported.length > 0) {
    return { status: 420, reason: 'Bad Extension', headers: [{ name: 'Unsupported', value: unsupported.join(', ') }] };
  }
  if (method !== 'OPTIONS' && Number(headerValue(headers, 'Max-Forwards') ?? 70) === 0) {
    return { status: 483, reason: 'Too Many Hops' };
  }
  return undefined;
}
