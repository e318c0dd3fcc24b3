import { describe, expect, test } from 'bun:test';
import { grantedExpires, redirectsOf } from '../../src/regbot/response.ts';
import { NO_BODY, type SipResponse } from '../../src/sip/message.ts';
import { TRUNK } from './support.ts';

const CONTACT = 'sip:me@192.0.2.1:5060;transport=udp';
const OURS = `<${CONTACT}>;expires=120`;

function response(contacts: readonly string[], headers: Readonly<Record<string, string>> = {}): SipResponse {
  return {
    kind: 'response',
    status: 200,
    reason: 'OK',
    local: false,
    headers: [
      ...Object.entries(headers).map(([name, value]) => ({ name, value })),
      ...contacts.map((value) => ({ name: 'Contact', value })),
    ],
    body: NO_BODY,
  };
}

function granted(contacts: readonly string[], headers: Readonly<Record<string, string>> = {}, publicAddress?: string) {
  return grantedExpires(response(contacts, headers), { contact: CONTACT, publicAddress }, 3600);
}

describe('a Contact that cannot be read is skipped, ours beside it counts:', () => {
  test.each([
    '<tel:+15551234>;expires=60',
    '<sip:x@my_host;a=b=c>;expires=60',
    '<sip:x@[fe80::1%eth0]:5060>;expires=60',
    '<sip:x@192.0.2.2:0>;expires=60',
    '<sip:x@192.0.2.2:65536>;expires=60',
    'Bond, James <sip:x@y.example;a=b=c>;expires=60',
    'Jörg (Büro) [1] <sip:x@y.example;a=b=c>;expires=60',
    'O"Brien <sip:x@y.example>;expires=60',
    '"O"Brien" <sip:x@y.example>;expires=60',
    '"a \\" b, c" <sip:x@y.example>;=;expires=60',
    '<sip:x@y.example>;expires=60;=',
    '<sip:x@y.example;expires=60',
    '<<>;expires=60',
    '<>',
    '*',
    'nonsense',
    '',
  ])('%s', (other) => {
    expect(granted([`${other}, ${OURS}`])).toBe(120);
    expect(granted([`${OURS}, ${other}`])).toBe(120);
    expect(granted([`${other}, "Me, myself" ${OURS}, ${other}`])).toBe(120);
    expect(granted([other, OURS])).toBe(120);
    expect(granted([OURS, other])).toBe(120);
  });

  test('after sixty others', () => {
    const others = Array.from({ length: 60 }, (_, i) => `<sip:me@198.51.100.${i + 1}>;expires=60`);
    expect(granted([[...others, OURS].join(', ')])).toBe(120);
    expect(granted([...others, OURS])).toBe(120);
    expect(granted([[...others, '<<>', OURS].join(', ')])).toBe(120);
  });

  test('of a thousand at most', () => {
    const others = Array.from({ length: 1000 }, (_, i) => `<sip:me@198.51.100.1:${i + 1}>;expires=60`);
    expect(granted([[...others.slice(1), OURS].join()])).toBe(120);
    expect(granted([[...others, OURS].join()])).toBe(60);
  });

  test('of one alone, Expires counts', () => {
    expect(granted(['<tel:+15551234>;expires=60'], { Expires: '90' })).toBe(90);
  });
});

describe('our Contact is', () => {
  const other = '<sip:me@198.51.100.1:5060>;expires=60, <sip:x@192.0.2.1:5060>;expires=70';

  test.each<[string, string, Record<string, string>, string]>([
    ['the equal one', OURS, {}, ''],
    ['the equal one, escaped and in capitals', '<SIP:%6De@192.0.2.1:5060;Transport=UDP;x=1>;Expires="120"', {}, ''],
    ['that of our user and address, without our parameter', '<sip:me@192.0.2.1:5060>;expires=120', {}, ''],
    ['that of our user and address, with another port', '<sip:me@192.0.2.1:1024>;expires=120', {}, ''],
    ['that of our user and public address', '<sip:me@203.0.113.7:1024>;expires=120', {}, '203.0.113.7:5060'],
    [
      'that of our user and the address that our request came from',
      '<sip:me@203.0.113.8:1024>;expires=120',
      { Via: 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx;received=203.0.113.8;rport=1024' },
      '',
    ],
    [
      'that of our user and the IPv6 address that our request came from',
      '<sip:me@[2001:db8:0::8]>;expires=120',
      { Via: 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx;received=2001:db8::8' },
      '',
    ],
    [
      'that of our user and the address of our Via, without a NAT',
      '<sip:me@203.0.113.8:1024>;expires=120',
      { Via: 'SIP/2.0/UDP 203.0.113.8:1024;branch=z9hG4bKx;rport' },
      '',
    ],
    [
      'that received from the address that our request came from',
      '<sip:me@10.0.0.9>;expires=120;received="sip:203.0.113.8:1024;transport=udp"',
      { Via: 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx;received=203.0.113.8;rport=1024' },
      '',
    ],
  ])('%s', (_, ours, headers, publicAddress) => {
    expect(granted([`${other}, ${ours}`], headers, publicAddress)).toBe(120);
    expect(granted([`${ours}, ${other}`], headers, publicAddress)).toBe(120);
  });

  test('of two at our address and port the equal one', () => {
    expect(granted([`<sip:me@192.0.2.1:5060;transport=tcp>;expires=60, ${OURS}`])).toBe(120);
  });

  test('of two at our address the one with our port', () => {
    const via = { Via: 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx;received=203.0.113.8;rport=1024' };
    expect(granted(['<sip:me@203.0.113.8:1025>;expires=60, <sip:me@203.0.113.8:1024>;expires=120'], via)).toBe(120);
  });

  test('the only one of our user, wherever it is', () => {
    expect(granted(['<sip:x@192.0.2.1:5060>;expires=60, <sip:m%65@nat.example>;expires=120'])).toBe(120);
  });

  test('never that of another user at our address', () => {
    const others = '<sip:x@192.0.2.1:5060>;expires=60, <sip:y@192.0.2.1:5060>;expires=50';
    expect(granted([`${others}, <sip:me@10.0.0.1>;expires=120, <sip:me@192.0.2.1:9>;expires=300`])).toBe(300);
  });
});

describe('when no Contact is ours for certain', () => {
  const others = '<sip:me@198.51.100.1>;expires=0, <sip:me@198.51.100.2>;expires=400, <sip:x@y.example>;expires=300';

  test('the shortest expiry but 0 counts', () => {
    expect(granted([others], { Expires: '90' })).toBe(300);
    expect(granted(['<sip:x@y.example>;expires=300'], { Expires: '90' })).toBe(300);
  });

  test('one without an expiry has that of Expires, or the requested one', () => {
    expect(granted(['<sip:x@y.example>, <sip:z@y.example>;expires=4000'], { Expires: '90' })).toBe(90);
    expect(granted(['<sip:x@y.example>, <sip:z@y.example>;expires=4000'])).toBe(3600);
  });
});

describe('nothing is granted', () => {
  test.each<[string, string[], Record<string, string>]>([
    ['with expires=0 for our Contact', [`<${CONTACT}>;expires=0, <sip:me@198.51.100.1>;expires=60`], { Expires: '90' }],
    ['with Expires: 0 for our Contact', [`<${CONTACT}>`], { Expires: '0' }],
    ['with Expires: 0 and no Contact', [], { Expires: '0' }],
    ['with Expires: 0 and others only', ['<sip:x@y.example>;expires=60, <sip:z@y.example>'], { Expires: '0' }],
    ['with expires=0 for all others', ['<sip:x@y.example>;expires=0, <sip:z@y.example>;expires=0'], { Expires: '90' }],
    ['with expires=0 for a rewritten Contact', ['<sip:me@10.0.0.1>;expires=0, <sip:x@y.example>;expires=60'], {}],
  ])('%s', (_, contacts, headers) => {
    expect(granted(contacts, headers)).toBe(0);
  });

  test('but it is with Expires: 0 when our Contact has an expiry of its own', () => {
    expect(granted([OURS], { Expires: '0' })).toBe(120);
  });
});

test('at most twice the requested expiry is granted', () => {
  expect(granted([`<${CONTACT}>;expires=7200`])).toBe(7200);
  expect(granted([`<${CONTACT}>;expires=7201`])).toBe(7200);
  expect(granted([], { Expires: '99999999999999999999' })).toBe(7200);
});

describe('the targets of a redirection', () => {
  const targets = (contacts: readonly string[], changes: Partial<typeof TRUNK> = {}) =>
    redirectsOf(response(contacts), { ...TRUNK, ...changes }).map(({ uri, transport }) => `${uri} ${transport}`);

  test('are in the order of q, those without one or with a malformed one first', () => {
    const contacts = ['<sip:a.example>;q=0.2', '<sip:b.example>;q=0.75, <sip:c.example>', '<sip:d.example>;q=2'];
    expect(targets([...contacts, '<sip:e.example>;q=0', '<sip:f.example>;q=1.0', '<sip:g.example>;q=0.7'])).toEqual(
      ['c', 'd', 'f', 'b', 'g', 'a', 'e'].map((name) => `sip:${name}.example udp`),
    );
  });

  test('have no user and no parameters', () => {
    expect(targets(['<sip:me:x@[2001:db8::1]:5070;transport=TCP;lr?Subject=x>'])).toEqual([
      'sip:[2001:db8::1]:5070 tcp',
    ]);
    expect(redirectsOf(response(['<sip:[2001:db8::1]>']), TRUNK)).toMatchObject([
      { host: '2001:db8::1', port: undefined },
    ]);
  });

  test.each<[string, Partial<typeof TRUNK>, string[]]>([
    ['of a trunk by UDP are SIP and SIPS URIs', {}, ['sip:a.example udp', 'sip:b.example tls', 'sips:c.example tls']],
    [
      'of a trunk by TLS are reached by TLS',
      { transport: 'tls' },
      ['sip:a.example tls', 'sip:b.example tls', 'sips:c.example tls'],
    ],
    ['of a sips trunk are SIPS URIs', { transport: 'tls', sips: true }, ['sips:c.example tls']],
  ])('%s', (_, changes, expected) => {
    const contacts = [
      '<tel:+1555>',
      '<sip:a.example>',
      '<sip:b.example;transport=tls>',
      '<sips:c.example;transport=tcp>',
    ];
    expect(targets([...contacts, '<sip:d.example;transport=sctp>'], changes)).toEqual(expected);
    if (changes.transport === 'tls') expect(targets(['<sip:a.example;transport=udp>'], changes)).toEqual([]);
  });
});
