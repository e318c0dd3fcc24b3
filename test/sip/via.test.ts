import { describe, expect, test } from 'bun:test';
import { SipSyntaxError } from '../../src/sip/syntax.ts';
import { branchOf, formatVia, parseVias, withSource } from '../../src/sip/via.ts';

const only = (value: string) => parseVias(value)[0];

describe('parseVias', () => {
  test('one value', () => {
    const via = only('SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport');
    expect(via).toMatchObject({ protocol: 'UDP', host: '192.0.2.1', port: 5060 });
    expect(branchOf(via)).toBe('z9hG4bKa');
  });

  test('several values in one line, white space wherever it may stand', () => {
    const vias = parseVias(
      'SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9hG4bK9ikj8  , SIP / 2.0/udp h : 5070',
    );
    expect(vias.map(formatVia)).toEqual(['SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8', 'SIP/2.0/UDP h:5070']);
  });

  test.each(['[2001:db8::9:1]:6050', '[2001:db8::9:1]'])('IPv6: %s', (sentBy) => {
    expect(formatVia(only(`SIP/2.0/UDP ${sentBy};received=[2001:db8::9:255];branch=z9`))).toBe(
      `SIP/2.0/UDP ${sentBy};received=[2001:db8::9:255];branch=z9`,
    );
  });

  test.each([
    '',
    'SIP/2.0/UDP',
    'SIP/2.0 192.0.2.1',
    'SIP/3.0/UDP 192.0.2.1',
    'SIP/2.0/UDP 192.0.2.15;;,;,,',
    'SIP/2.0/UDP 192.0.2.1:0',
    'SIP/2.0/UDP 192.0.2.1:65536',
    'SIP/2.0/UDP 192.0.2.1:506000',
    'SIP/2.0/UDP 2001:db8::1',
    'SIP/2.0/UDP h;branch="unterminated',
    'SIP/2.0/UDP h;branch=',
    'SIP/2.0/UDP h,',
    `SIP/2.0/UDP h${',SIP/2.0/UDP h'.repeat(70)}`,
  ])('refuses %p', (value) => {
    expect(() => parseVias(value)).toThrow(SipSyntaxError);
  });
});

describe('withSource', () => {
  const stamped = (value: string, address: string, port: number) => formatVia(withSource(only(value), address, port));

  test('rport is filled in for those who did not ask, received when the address differs', () => {
    expect(stamped('SIP/2.0/UDP 192.0.2.1:7060;branch=z9', '192.0.2.1', 7060)).toBe(
      'SIP/2.0/UDP 192.0.2.1:7060;branch=z9;rport=7060',
    );
    expect(stamped('SIP/2.0/WS a.invalid;branch=z9', '192.0.2.1', 4)).toBe(
      'SIP/2.0/WS a.invalid;branch=z9;received=192.0.2.1;rport=4',
    );
  });

  test('a client that asks gets received as well, even if it knew (RFC 3581 4)', () => {
    expect(stamped('SIP/2.0/UDP 192.0.2.1;rport;branch=z9', '192.0.2.1', 5060)).toBe(
      'SIP/2.0/UDP 192.0.2.1;rport=5060;branch=z9;received=192.0.2.1',
    );
  });

  test('what the client claims to be its source counts for nothing', () => {
    expect(stamped('SIP/2.0/UDP 192.0.2.1;received=192.0.2.66;rport=66', '192.0.2.1', 5060)).toBe(
      'SIP/2.0/UDP 192.0.2.1;rport=5060',
    );
  });

  test('an IPv6 source is compared without its brackets', () => {
    expect(stamped('SIP/2.0/UDP [::1]:5060', '::1', 5060)).toBe('SIP/2.0/UDP [::1]:5060;rport=5060');
  });
});
