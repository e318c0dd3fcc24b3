import { describe, expect, test } from 'bun:test';
import { SipSyntaxError } from '../../src/sip/syntax.ts';
import { branchOf, formatVia, parseVias, responsePort, withSource } from '../../src/sip/via.ts';

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
    'SIP/2.0/UDP 2001:db8::1',
    'SIP/2.0/UDP h;branch="unterminated',
    'SIP/2.0/UDP h,',
    'SIP/2.0/UDP h;',
    `SIP/2.0/UDP h${',SIP/2.0/UDP h'.repeat(70)}`,
  ])('refuses %p', (value) => {
    expect(() => parseVias(value)).toThrow(SipSyntaxError);
  });
});

describe('what others write beyond the grammar', () => {
  test.each(['z9hG4bKa/b', 'z9hG4bKa+b', 'z9hG4bKab==', 'z9hG4bKa@b:c?', 'z9hG4bKa|{}', '<z9hG4bK>', ''])(
    'the branch %p',
    (branch) => expect(branchOf(only(`SIP/2.0/UDP h;branch=${branch};rport`))).toBe(branch),
  );

  test.each(['0', '65536', '506000'])('the port %s is none', (port) => {
    expect(only(`SIP/2.0/UDP h:${port};branch=z9`).port).toBeUndefined();
  });

  test.each(['[fe80::1%eth0]', 'my_host', '3f2a9b1c4d5e'])('the host %s', (host) => {
    expect(only(`SIP/2.0/UDP ${host}:5070`)).toMatchObject({ host, port: 5070 });
  });
});

describe('withSource', () => {
  const stamped = (line: string, address: string, port: number, reliable = false) =>
    withSource(line, only(line), address, port, reliable);

  test('rport is filled in for those who did not ask, received when the address differs', () => {
    expect(stamped('SIP/2.0/UDP 192.0.2.1:7060;branch=z9', '192.0.2.1', 7060)).toBe(
      'SIP/2.0/UDP 192.0.2.1:7060;branch=z9;rport=7060',
    );
    expect(stamped('SIP/2.0/WS a.invalid;branch=z9', '192.0.2.1', 4)).toBe(
      'SIP/2.0/WS a.invalid;branch=z9;received=192.0.2.1;rport=4',
    );
  });

  test('a client that asks gets received as well, even if it knew (RFC 3581 4)', () => {
    for (const rport of ['rport', 'rport=', 'Rport'])
      expect(stamped(`SIP/2.0/UDP 192.0.2.1;${rport};branch=z9`, '192.0.2.1', 5060)).toBe(
        'SIP/2.0/UDP 192.0.2.1;rport=5060;branch=z9;received=192.0.2.1',
      );
  });

  test('what the client claims to be its source counts for nothing', () => {
    expect(stamped('SIP/2.0/UDP 192.0.2.1;received=192.0.2.66;rport=66;rport=67;received=a', '192.0.2.1', 5060)).toBe(
      'SIP/2.0/UDP 192.0.2.1;rport=5060',
    );
  });

  test('an IPv6 source is compared by its value', () => {
    for (const host of ['[::1]', '[0:0::1]', '[0000:0:0:0:0:0:0:1]'])
      expect(stamped(`SIP/2.0/UDP ${host}:5060`, '::1', 5060)).toBe(`SIP/2.0/UDP ${host}:5060;rport=5060`);
  });

  test('without rport, and where the response goes to the port of sent-by, no rport is claimed', () => {
    expect(stamped('SIP/2.0/UDP 192.0.2.1:7060;branch=z9', '192.0.2.1', 40_000)).toBe(
      'SIP/2.0/UDP 192.0.2.1:7060;branch=z9',
    );
    expect(stamped('SIP/2.0/TCP 192.0.2.1:7060;branch=z9', '192.0.2.1', 40_000, true)).toBe(
      'SIP/2.0/TCP 192.0.2.1:7060;branch=z9;rport=40000',
    );
  });

  test.each(['', ',SIP/2.0/TCP p.test;branch=z9hG4bK2', ' , SIP / 2.0/udp [::1]:05070 ; Branch="a, b" ,SIP/2.0/UDP c'])(
    'all else is left byte for byte: %p',
    (rest) => {
      const first = 'sip / 2.0/udp  a.invalid : 05060 ; BRANCH=z9hG4bK/== ;x="q\\"; ,"';
      expect(stamped(`${first};rport;y${rest}`, '192.0.2.1', 4)).toBe(`${first};rport=4;y;received=192.0.2.1${rest}`);
    },
  );
});

test.each([
  ['UDP 192.0.2.1:7060', 40_000, 7060],
  ['UDP 192.0.2.1', 40_000, 5060],
  ['UDP 192.0.2.1:7060;rport', 40_000, 40_000],
  ['UDP 192.0.2.1:7060;rport=1', 40_000, 40_000],
  ['UDP 192.168.0.1:7060', 40_000, 40_000],
  ['UDP phone.test:7060', 40_000, 40_000],
  ['UDP 192.0.2.1:40000', 40_000, 40_000],
])('the response to %s from port %i goes to port %i', (sentBy, sourcePort, port) => {
  expect(responsePort(only(`SIP/2.0/${sentBy}`), '192.0.2.1', sourcePort)).toBe(port);
});
