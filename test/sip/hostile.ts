const VIA = 'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1';
const FROM = 'From: <sip:a@example.test>;tag=1';

/** An OPTIONS with these further lines. */
export function options(...extra: readonly string[]): string {
  const lines = ['OPTIONS sip:b@example.test SIP/2.0', VIA, FROM, 'To: <sip:b@example.test>', 'Call-ID: 1@192.0.2.1'];
  return `${[...lines, 'CSeq: 7 OPTIONS', ...extra].join('\r\n')}\r\n\r\n`;
}

/** Messages up to the longest that a datagram can carry, each made to be slow to read; most are malformed. */
export const HOSTILE_MESSAGES: readonly (readonly [what: string, text: string])[] = [
  ['one header of 60 000 characters', options(`X: ${'a'.repeat(60_000)}`)],
  ['many words before From', options().replace(FROM, `From: ${'a '.repeat(4000)}`)],
  ['blanks before a quote in From', options().replace(FROM, `From: a${' '.repeat(8000)}x"`)],
  ['many parameters of From and a quote', options().replace(FROM, `From: <sip:a@b>${';a = b '.repeat(1000)}"`)],
  ['escaped quotes in From', options().replace(FROM, `From: "${'\\"'.repeat(4000)}`)],
  ['many semicolons in From', options().replace(FROM, `From: <sip:a@b>${' ;'.repeat(4000)}"`)],
  ['many empty parameters of From', options().replace(FROM, `From: <sip:a@b>${';a= '.repeat(2000)}"`)],
  ['many quotes in From', options().replace(FROM, `From: ${'a""'.repeat(2600)}`)],
  ['many parameters of Via', options().replace(VIA, `Via: SIP/2.0/UDP h${' ; a = '.repeat(1000)}"`)],
  ['blanks after a URI in From', options().replace(FROM, `From: sip:a@b${' '.repeat(8000)}x`)],
  ['commas in Via', options().replace(VIA, `Via: SIP/2.0/UDP h${' ,SIP/2.0/UDP h'.repeat(500)}`)],
  ['blanks in Via', options().replace(VIA, `Via: SIP${' '.repeat(8000)}x`)],
  ['blank folds', options(`X: ${'\r\n '.repeat(20_000)}`)],
  ['folds with a character', options(`X: ${'\r\n x'.repeat(15_000)}`)],
  ['long blanks before folds', options(`X: a${' '.repeat(8000)}b\r\n c\r\n`.repeat(7))],
  ['line ends alone', '\r\n'.repeat(30_000)],
  ['CRs alone', '\r'.repeat(60_000)],
  ['sip: again and again as the Request-URI', `OPTIONS ${'sip:'.repeat(15_000)} SIP/2.0\r\n\r\n`],
  [
    'parameters and headers in the Request-URI',
    `OPTIONS sip:${'a;'.repeat(15_000)}@b?${'a=b&'.repeat(5000)} SIP/2.0\r\n\r\n`,
  ],
];

/** Values that parseNameAddrs refuses, each made to be slow to refuse. */
export const HOSTILE_NAME_ADDRS: readonly (readonly [what: string, text: string])[] = [
  ['a long host', `${'sip:'.padEnd(60_000, 'a')}<!!`],
  ['a host of many labels', `sip:${'a.'.repeat(30_000)}<!!`],
  ['backslashes in a display name', `"${'\\'.repeat(60_001)}!!`],
  ['opening brackets', `${'<'.repeat(60_000)}!!`],
];
