import type { CheckIn } from '../ports/server-pool.ts';
import { joinHostPort, normalIp } from '../sip/ip.ts';
import type { SipRequest } from '../sip/message.ts';

/** Longer ones are not URLs of ours, and would be kept and shown, characters. */
const MAX_URL_LENGTH = 1024;
const MAX_CALLS = 1_000_000_000;

/**
 * Reads the check-in of a feature server (`X-FS-Status`) or an RTP server (`X-RTP-Status`). A value that makes no sense
 * counts as not given.
 * @returns undefined for any other OPTIONS
 */
export function readCheckIn({ headers, source }: SipRequest): CheckIn | undefined {
  const given = new Map<string, string>();
  for (const { name, value } of headers)
    if (name.startsWith('X-') || name.startsWith('x-')) given.set(name.toLowerCase(), value.trim());
  const kind = given.has('x-rtp-status') ? 'rtp' : given.has('x-fs-status') ? 'feature' : undefined;
  if (!kind) return undefined;

  const ip = normalIp(source.address) ?? source.address;
  const [status, calls] = kind === 'rtp' ? ['x-rtp-status', 'x-rtp-calls'] : ['x-fs-status', 'x-fs-calls'];
  const count = callsOf(given.get(calls));
  const serviceUrl = kind === 'feature' ? urlOf(given.get('x-fs-serviceurl')) : undefined;
  return {
    kind,
    member: kind === 'rtp' ? ip : joinHostPort(ip, source.port),
    open: given.get(status) === 'open',
    ...(count !== undefined && { calls: count }),
    ...(serviceUrl !== undefined && { serviceUrl }),
  };
}

function callsOf(text = ''): number | undefined {
  const calls = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return calls <= MAX_CALLS ? calls : undefined;
}

function urlOf(text = ''): string | undefined {
  return /^https?:\/\/[\x21-\x7e]+$/i.test(text) && text.length <= MAX_URL_LENGTH ? text : undefined;
}
