import type { SipAnswer } from '../ports/sip-server.ts';
import { headerValue, type ParsedRequest } from '../sip/message.ts';

/**
 * The response to a well-formed request that no handler gets, in the order of RFC 3261 8.2; undefined for the others.
 * @param methods the methods with a handler
 */
export function refusalOf(request: ParsedRequest, methods: readonly string[]): SipAnswer | undefined {
  const { method, uri, headers } = request;
  if (!methods.includes(method)) {
    // 9.2: no transaction here is pending long enough to be cancelled.
    if (method === 'CANCEL') return { status: 481 };
    return { status: 405, headers: { Allow: methods.join(', ') } };
  }
  if (!/^sips?:/i.test(uri)) return { status: 416 };

  // 8.2.2.3: no extension is supported.
  const required = headers.filter((h) => h.name === 'Require').flatMap((h) => h.value.split(','));
  const unsupported = required.map((tag) => tag.trim()).filter((tag) => tag !== '');
  if (unsupported.length > 0) return { status: 420, headers: { Unsupported: unsupported.join(', ') } };
  if (method !== 'OPTIONS' && Number(headerValue(headers, 'Max-Forwards') ?? 70) === 0) return { status: 483 };
  return undefined;
}
