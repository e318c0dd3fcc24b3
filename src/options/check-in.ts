import { defined } from '../lib/defined.ts';
import type { CheckIn } from '../ports/server-pool.ts';
import { joinHostPort, normalIp } from '../sip/ip.ts';
import type { SipRequest } from '../sip/message.ts';

const MAX_URL_LENGTH = 1024;
const MAX_CALLS = 1_000_000_000;

/**
 * Parses the check-in of a feature server (`X-FS-Status`) or an RTP server (`X-RTP-Status`). Invalid values are
 * ignored.
 * @returns undefined for any other OPTIONS
 */
export function parseCheckIn({ headers, source }: SipRequest): CheckIn | undefined {
  const extensions = new Map<string, string>();
  for (const { name, value } of headers)
    if (name.startsWith('X-') || name.startsWith('x-')) extensions.set(name.toLowerCase(), value.trim());
  const kind = extensions.has('x-rtp-status') ? 'rtp' : extensions.has('x-fs-status') ? 'feature' : undefined;
  if (!kind) return undefined;

  const ip = normalIp(source.address) ?? source.address;
  const [status, calls] = kind === 'rtp' ? ['x-rtp-status', 'x-rtp-calls'] : ['x-fs-status', 'x-fs-calls'];
  return defined({
    kind,
    member: kind === 'rtp' ? ip : joinHostPort(ip, source.port),
    open: extensions.get(status) === 'open',
    calls: parseCalls(extensions.get(calls)),
    serviceUrl: kind === 'feature' ? parseUrl(extensions.get('x-fs-serviceurl')) : undefined,
  });
}

function parseCalls(text = ''): number | undefined {
  const calls = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return calls <= MAX_CALLS ? calls : undefined;
}

function parseUrl(text = ''): string | undefined {
  return /^https?:\/\/[\x21-\x7e]+$/i.test(text) && text.length <= MAX_URL_LENGTH ? text : undefined;
}
