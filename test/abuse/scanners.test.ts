import { expect, test } from 'bun:test';
import { isScanner } from '../../src/abuse/scanners.ts';

test.each([
  'friendly-scanner',
  'Friendly-Scanner',
  'sipvicious 0.3.3',
  'sipcli/v1.8',
  'sip-scan',
  'sundayddr',
  'VaxSIPUserAgent/3.1',
  'iWar',
  'Mozilla (friendly-scanner)',
])('%p is a scanner', (userAgent) => expect(isScanner(userAgent)).toBe(true));

test.each([
  '',
  'sipsak 0.9.7',
  'SIPp',
  'Zoiper rv2.10.18.6',
  'baresip v1.0.0 (x86_64/linux)',
  'PolycomVVX-VVX_411-UA/5.9.0',
  'sipclient/2.0',
  'MySipcliPhone',
  'Miwara',
])('%p is a phone', (userAgent) => expect(isScanner(userAgent)).toBe(false));
