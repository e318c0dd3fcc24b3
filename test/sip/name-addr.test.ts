import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { isNameAddr, tagOf, withBrackets } from '../../src/sip/from-to.ts';
import { parseContacts, parseNameAddr, parseNameAddrs } from '../../src/sip/name-addr.ts';
import { formatParams, param } from '../../src/sip/params.ts';
import { SipSyntaxError, tryParse } from '../../src/sip/syntax.ts';

const URI = 'sip:a@b.com';

describe('a name-addr', () => {
  const DISPLAY_NAMES = [
    ...['', '""', '"A. G. Bell"', 'Anonymous Coward', '"say \\"hi\\", <you>"', 'José', '中文', '😀', 'alice@one.test'],
    ...[
      'Room #12',
      'Bond, James',
      'John (Sales)',
      "O'Brien",
      'a;b',
      'x=y',
      'a?b',
      '[x] {y} | ^ & $',
      'a/b\\c',
      'a > b',
    ],
    ...['Room: 12', '18:30 shift', 'a:b', URI, '"A" B', 'A "B"', ',', '*', '* x', '"a, *, b"', 'a\tb', '\u00a0x'],
  ];
  test.each(DISPLAY_NAMES)('may have the display name %p, in From, To and Contact alike', (name) => {
    for (const value of [`${name} <${URI}>;tag=1`, `${name}<${URI}> ; tag=1`, `${name} < ${URI} > ;tag=1`]) {
      const expected = { uriText: URI, params: [{ name: 'tag', value: '1' }] };
      expect(parseNameAddr(value)).toEqual(expected);
      expect(parseNameAddrs(value, 1)).toEqual([expected]);
      expect(parseContacts(value, 1)).toEqual([expected]);
      expect(isNameAddr(value)).toBe(true);
      expect(tagOf(value)).toBe('1');
      expect(withBrackets(value)).toBe(value);
    }
  });

  test.each(['<sip:ö b#@h;x=a|b;>', '<tel:+1>', '<mailto:a@b>', '<urn:uuid:1>', '<http://x/y?z>', '<sip:a@b@c>'])(
    'may have the URI %s',
    (value) => expect(parseNameAddrs(value, 1)[0]?.uriText).toBe(value.slice(1, -1)),
  );

  test('without brackets leaves its parameters to the header', () => {
    expect(parseNameAddr(`${URI} ;expires=60`)).toEqual({ uriText: URI, params: [{ name: 'expires', value: '60' }] });
    expect(parseNameAddr('<sip:a@b.com;expires=60>').params).toEqual([]);
    expect(withBrackets(`${URI} ;expires=60`)).toBe(`<${URI}> ;expires=60`);
    expect(withBrackets(`${URI};x=<y>`)).toBe(`<${URI}>;x=<y>`);
  });

  test('that stands alone may have a comma in its URI', () => {
    expect(parseNameAddr('sip:a,b@c.com').uriText).toBe('sip:a,b@c.com');
  });

  const PARAMS = [
    ...[';+sip.instance=<urn:uuid:1>', ';+sip.instance="<urn:uuid:1>"', ';x=', ';x=""', ';x=a|b', ';x=a/b', ';x=a=='],
    ...[';x={a}', ';x=(a)', ';x=[a]', ';x=#', ';x=é', ';é=1', ';a/b=1', ';x@y', ';x=sip:a@b?c', ';x="a,;b";y'],
  ];
  test.each(PARAMS)('may have the parameters %s, which are written back as they came', (params) => {
    expect(formatParams(parseNameAddr(`<${URI}>${params}`).params)).toBe(params);
  });

  test.each([
    ...[
      '',
      '<>',
      '< >',
      'a',
      'a@b',
      '<a@b>',
      '<*>',
      ':x',
      '<:x>',
      '<1a:x>',
      'sip:',
      '<sip:>',
      '<sip: >',
      'Alice sip:a@b',
    ],
    ...['sip:a@b.com sip:c@d.com', '"x <sip:a@b.com>', '6" pipe <sip:a@b>', '<sip:a@b.com', 'sip:a@b>', '<sip:a"b@c>'],
    ...['<sip:<a>@b>', '<sip:a@b.com>;', '<sip:a@b.com>;;x', '<sip:a@b.com>;=x', '<sip:a@b>;x=a b', '<sip:a@b>;x="a'],
    ...['<sip:a@b>;x=<y', '<sip:a@b>;x="a"b', '<sip:a@b> x', '<sip:a@b>&x'],
    ...['<sip:a@b>;x=<a b>', '<sip:a@b>;a"b=1', '<sip:a@b>;x"y"'],
  ])('%p is none', (value) => {
    expect(() => parseNameAddr(value)).toThrow(SipSyntaxError);
    expect(() => parseNameAddrs(value, 5)).toThrow(SipSyntaxError);
    expect(isNameAddr(value)).toBe(false);
  });
});

describe('a list of them', () => {
  test.each([
    ['"x, y" <sip:a,b@c.com>;q=0.1 , <sip:d@e.com>;+sip.instance="<urn:a,b>"', ['sip:a,b@c.com', 'sip:d@e.com']],
    ['sip:a@b,sip:c@d', ['sip:a@b', 'sip:c@d']],
    ['sip:a@b , James <sip:c@d>', ['sip:a@b', 'sip:c@d']],
    ['Bond, James <sip:a@b>, M, Q <sip:c@d>', ['sip:a@b', 'sip:c@d']],
    ['<sip:a@b>;x=<y>,<sip:c@d>', ['sip:a@b', 'sip:c@d']],
  ])('%s is split at commas that are no part of a name or a URI', (value, uris) => {
    expect(parseNameAddrs(value, 5).map((n) => n.uriText)).toEqual(uris);
  });

  test('the maximum is held', () => {
    expect(() => parseNameAddrs(Array(6).fill('<sip:a@b.com>').join(), 5)).toThrow('too many');
  });

  test.each([',', '<sip:a@b>,', 'sip:a@b,', 'sip:a,b@c'])('%p is none', (value) => {
    expect(() => parseNameAddrs(value, 5)).toThrow(SipSyntaxError);
  });

  test.each([
    ['*', ['*']],
    [' * ', ['*']],
    ['*, <sip:a@b>', ['*', 'sip:a@b']],
    ['<sip:a@b>, *', ['sip:a@b', '*']],
    ['*;expires=0', ['*']],
    ['"*" <sip:a@b>', ['sip:a@b']],
    ['"a, *, b" <sip:a@b>;x="c, *"', ['sip:a@b']],
    ['* <sip:a@b>', ['sip:a@b']],
    ['<sip:*@b>;x=*', ['sip:*@b']],
  ])('the wildcard in %s is found only in the place of a Contact', (value, uris) => {
    expect(parseContacts(value, 5).map((n) => n.uriText)).toEqual(uris);
  });

  test('the wildcard is no From, To or Route', () => {
    expect(isNameAddr('*')).toBe(false);
    expect(() => parseNameAddrs('*', 5)).toThrow(SipSyntaxError);
  });
});

describe('values of 8 KB', () => {
  // Each is the worst case of one expression or loop if that could match its text in more than one way.
  const long = (text: string) => text.repeat(Math.ceil(8192 / text.length));
  test.each<[string, string, number | undefined]>([
    ['blanks in brackets', `<${long(' ')}sip:a`, undefined],
    ['blanks in a URI', `<sip:a${long(' ')}b`, undefined],
    ['blanks after a scheme', `<sip:${long(' ')}>`, undefined],
    ['a scheme without an end', long('a'), undefined],
    ['schemes', long('a:'), 1],
    ['blanks after a URI', `sip:a${long(' ')}x`, undefined],
    ['blanks before a comma', long('sip:a   ,').slice(0, -1), Math.ceil(8192 / 9)],
    ['addresses that look bare', `${long('sip:a b')}<sip:a>`, 1],
    ['wildcards', long('* '), undefined],
    ['opening brackets', long('<'), undefined],
    ['quotes', long('""'), undefined],
    ['escaped quotes', `"${long('\\"')}`, undefined],
    ['semicolons', `<sip:a@b>${long(';')}`, undefined],
    ['values without an end', `<sip:a@b>;x=<${long('a')}`, undefined],
    ['addresses', long('<sip:a@b>,').slice(0, -1), Math.ceil(8192 / 10)],
  ])('%s', (_, value, count) => {
    expect(tryParse(() => parseContacts(value, 10_000))?.length).toBe(count);
    expect(isNameAddr(value)).toBe(count === 1);
  });
});

test('what is accepted never holds a bracket or a quote where the 200 would be misread', () => {
  const piece = fc.constantFrom('sip:', 'a', '@', '<', '>', '"', '\\', ',', ';', '=', ' ', '*', 'é', 'x', '?', ':');
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 30 }).map((p) => p.join('')),
      (value) => {
        const list = tryParse(() => parseContacts(value, 50)) ?? [];
        const echo = list.map(({ uriText, params }) => `<${uriText}>${formatParams(params)}`).join(', ');
        const again = list.length === 0 ? [] : parseNameAddrs(echo.replaceAll('<*>', '<sip:wildcard>'), 50);
        expect(again.map((n) => n.params)).toEqual(list.map((n) => n.params));
        expect(again.map((n) => n.uriText.replace('sip:wildcard', '*'))).toEqual(list.map((n) => n.uriText));
        expect(param(again[0]?.params ?? [], 'tag')).toBe(param(list[0]?.params ?? [], 'tag'));
      },
    ),
    { numRuns: 5000 },
  );
});
