import { describe, expect, test } from 'bun:test';
import { contactUri, equalUris } from '../../src/regbot/contact.ts';
import { parseUri } from '../../src/sip/uri.ts';
import { TRUNK } from './support.ts';

describe('URI comparison, by the examples of RFC 3261 19.1.4', () => {
  test.each([
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;security=on'],
    ['sip:biloxi.com;transport=tcp;method=REGISTER', 'sip:biloxi.com;method=REGISTER;transport=tcp'],
  ])('%s equals %s', (a, b) => expect(equalUris(parseUri(a), parseUri(b))).toBe(true));

  test.each([
    ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp'],
    ['sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'],
    ['sip:a@b', 'sips:a@b'],
    ['sip:a@b', 'sip:a@b;user=phone'],
    ['sip:b', 'sip:a@b'],
  ])('%s does not equal %s', (a, b) => {
    expect(equalUris(parseUri(a), parseUri(b))).toBe(false);
    expect(equalUris(parseUri(b), parseUri(a))).toBe(false);
  });
});

describe('our address in Contact', () => {
  const host = (hostports: string, peer = '192.0.2.1') =>
    /@(.*);/.exec(
      contactUri({ ...TRUNK, transport: 'tcp' }, peer, { contactUseIp: true, hostports, sipDomain: undefined }),
    )?.[1];

  test.each(['10.1.1.1', '172.31.0.1', '192.168.0.1', '100.64.0.1', '127.0.0.1', '169.254.1.1'])(
    'is a public one rather than %s, but of the same transport',
    (address) => {
      expect(host(`tcp/${address}:5060,tcp/198.51.100.1:5070`)).toBe('198.51.100.1:5070');
      expect(host(`tcp/${address}:5060,udp/198.51.100.1:5070`)).toBe(`${address}:5060`);
    },
  );

  test.each(['[::1]', '[fd00::1]', '[fe80::1]'])('is a public one rather than %s towards IPv6', (address) => {
    expect(host(`tcp/${address}:5060,tcp/[2001:db8::1]:5070`, '2001:db8::9')).toBe('[2001:db8::1]:5070');
    expect(host(`tcp/${address}:5060,udp/[2001:db8::1]:5070`, '2001:db8::9')).toBe(`${address}:5060`);
  });

  test('has the family of the next hop, on the same transport or else on UDP', () => {
    const both = 'tcp/[2001:db8::1]:5060,tcp/198.51.100.1:5070';
    expect(host(both)).toBe('198.51.100.1:5070');
    expect(host(both, '2001:db8::9')).toBe('[2001:db8::1]:5060');
    expect(host('tcp/[2001:db8::1]:5060,udp/198.51.100.1:5070')).toBe('198.51.100.1:5070');
    expect(host('tcp/198.51.100.1:5060', '2001:db8::9')).toBe(TRUNK.accountRealm);
  });

  test('is that for UDP when there is none for the transport, else the account’s realm', () => {
    expect(host('udp/10.0.0.1:5060,udp/198.51.100.1:5060')).toBe('198.51.100.1:5060');
    expect(host('ws/198.51.100.1:8080')).toBe(TRUNK.accountRealm);
    expect(host('')).toBe(TRUNK.accountRealm);
  });
});
