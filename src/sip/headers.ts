/**
 * The header names of RFC 3261 20 and of extensions that a registrar meets, in the spelling of the IANA registry. Case
 * does not matter on the wire (RFC 3261 7.3.1); inside this process a name has one spelling.
 */
const KNOWN = [
  'Accept',
  'Accept-Encoding',
  'Accept-Language',
  'Alert-Info',
  'Allow',
  'Allow-Events',
  'Authentication-Info',
  'Authorization',
  'Call-ID',
  'Call-Info',
  'Contact',
  'Content-Disposition',
  'Content-Encoding',
  'Content-Language',
  'Content-Length',
  'Content-Type',
  'CSeq',
  'Date',
  'Diversion',
  'Error-Info',
  'Event',
  'Expires',
  'Flow-Timer',
  'From',
  'Geolocation',
  'History-Info',
  'Identity',
  'In-Reply-To',
  'Max-Forwards',
  'MIME-Version',
  'Min-Expires',
  'Min-SE',
  'Organization',
  'P-Access-Network-Info',
  'P-Asserted-Identity',
  'P-Associated-URI',
  'P-Preferred-Identity',
  'Path',
  'Priority',
  'Privacy',
  'Proxy-Authenticate',
  'Proxy-Authorization',
  'Proxy-Require',
  'RAck',
  'Reason',
  'Record-Route',
  'Refer-To',
  'Referred-By',
  'Remote-Party-ID',
  'Replaces',
  'Reply-To',
  'Request-Disposition',
  'Require',
  'Retry-After',
  'Route',
  'RSeq',
  'Server',
  'Service-Route',
  'Session-Expires',
  'SIP-ETag',
  'SIP-If-Match',
  'Subject',
  'Subscription-State',
  'Supported',
  'Timestamp',
  'To',
  'Unsupported',
  'User-Agent',
  'Via',
  'Warning',
  'WWW-Authenticate',
] as const;

/** RFC 3261 7.3.3, RFC 3265, RFC 3515, RFC 3841, RFC 3892, RFC 4028, RFC 4474. */
const COMPACT: Readonly<Record<string, string>> = {
  a: 'Accept-Contact',
  b: 'Referred-By',
  c: 'Content-Type',
  d: 'Request-Disposition',
  e: 'Content-Encoding',
  f: 'From',
  i: 'Call-ID',
  j: 'Reject-Contact',
  k: 'Supported',
  l: 'Content-Length',
  m: 'Contact',
  o: 'Event',
  r: 'Refer-To',
  s: 'Subject',
  t: 'To',
  u: 'Allow-Events',
  v: 'Via',
  x: 'Session-Expires',
  y: 'Identity',
};

/** Name by spelling: as registered, in lower case, compact. */
const SPELLINGS = new Map<string, string>([
  ...KNOWN.flatMap((name): [string, string][] => [
    [name, name],
    [name.toLowerCase(), name],
  ]),
  ...Object.entries(COMPACT),
]);

/** The usual spelling of a header name, compact forms expanded; an unknown name stays as it was written. */
export function canonicalName(written: string): string {
  return SPELLINGS.get(written) ?? SPELLINGS.get(written.toLowerCase()) ?? written;
}

/** Whether {@link canonicalName} knows the name: false for extension headers such as `X-Reason`. */
export function isKnownName(canonical: string): boolean {
  return SPELLINGS.has(canonical);
}
