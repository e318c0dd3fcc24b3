import { defined } from '../lib/defined.ts';
import type { CheckIn } from '../ports/server-pool.ts';
import { joinHostPort, normalIp } from '../sip/ip.ts';
import type { SipRequest } from '../sip/message.ts';

const MAX_URL_LENGTH = 1024;
const MAX_CALLS = 1_000_000_000;
/** Scheme, host, port and path of RFC 3986, with the underscores of container names. */
const SERVICE_URL = /^https?:\/\/(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?(?:\/[\w.~!$&'()*+,;=:@%/-]*)?$/i;

/** A check-in as it was sent. */
export interface SentCheckIn {
  /** Without invalid values. */
  readonly checkIn: CheckIn;
  /**
   * Whether its service URL has a userinfo, a query or a fragment. The platform's API posts to a path that it appends to
   * the URL: these could hold a secret, or lead it to another server or path.
   */
  readonly misleads: boolean;
}

/**
 * Parses the check-in of a feature server (`X-FS-Status`) or an RTP server (`X-RTP-Status`).
 * @returns undefined for any other OPTIONS
 */
export function parseCheckIn({ headers, source }: SipRequest): SentCheckIn | undefined {
  const extensions = new Map<string, string>();
  for (const { name, value } of headers)
    if (name.startsWith('X-') || name.startsWith('x-')) extensions.set(name.toLowerCase(), value.trim());
  const kind = extensions.has('x-rtp-status') ? 'rtp' : extensions.has('x-fs-status') ? 'feature' : undefined;
  if (!kind) return undefined;

  const ip = normalIp(source.address) ?? source.address;
  const [status, calls] = kind === 'rtp' ? ['x-rtp-status', 'x-rtp-calls'] : ['x-fs-status', 'x-fs-calls'];
  const url = kind === 'feature' ? (extensions.get('x-fs-serviceurl') ?? '') : '';
  const serviceUrl = SERVICE_URL.test(url) && url.length <= MAX_URL_LENGTH ? url : undefined;
  const checkIn = defined({
    kind,
    member: kind === 'rtp' ? ip : joinHostPort(ip, source.port),
    open: extensions.get(status) === 'open',
    calls: parseCalls(extensions.get(calls)),
    serviceUrl,
  });
  return { checkIn, misleads: serviceUrl === undefined && /[@?#]/.test(url) };
}

function parseCalls(text = ''): number | undefined {
  const calls = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return calls <= MAX_CALLS ? calls : undefined;
}
