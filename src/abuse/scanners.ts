/**
 * Programs that only attackers point at a public SIP port, by the word in their User-Agent. A determined attacker
 * changes it; these are the bulk of the noise. Monitoring tools with honest uses, such as sipsak and SIPp, are
 * not here.
 */
const SCANNERS = [
  // sipvicious, the first by default: finds servers and extensions, guesses passwords.
  'friendly-scanner',
  'sipvicious',
  // Command-line caller; on public ports it tries toll fraud.
  'sipcli',
  // A port scanner's name in its OPTIONS.
  'sip-scan',
  // A worm that spread over cloud hosts and guesses passwords.
  'sundayddr',
  // Default of the VaxVoIP SDK, on which fraud diallers are built.
  'VaxSIPUserAgent',
  // War dialler.
  'iWar',
] as const;

const PATTERN = new RegExp(`(?<!\\w)(?:${SCANNERS.join('|')})(?!\\w)`, 'i');

export function isScanner(userAgent: string): boolean {
  return PATTERN.test(userAgent);
}
