import { describe, expect, test } from 'bun:test';
import { parseCSeq } from '../../src/sip/cseq.ts';
import { parseDeltaSeconds } from '../../src/sip/delta-seconds.ts';
import { isToken, SipSyntaxError, TOKEN_CHARS, tryParse } from '../../src/sip/syntax.ts';
import { parseUri } from '../../src/sip/uri.ts';

describe('tryParse', () => {
  test('gives what was parsed', () => {
    expect(tryParse(() => parseUri('sip:example.com'))?.host).toBe('example.com');
  });

  test('gives undefined for text that does not follow the grammar', () => {
    expect(tryParse(() => parseUri('example.com'))).toBeUndefined();
  });

  test('passes every other error', () => {
    const fault = new TypeError('a fault of ours');
    const parse = () => {
      throw fault;
    };
    expect(() => tryParse(parse)).toThrow(fault);
  });
});

describe('a token', () => {
  const SEPARATORS_AND_OTHERS = '()<>@,;:\\"/[]?={} \t\r\n#$&^|\x00\x7fé';

  test('is made of the characters of RFC 3261 25.1 and no others', () => {
    for (const char of "azAZ09-.!%*_+`'~") expect(isToken(`x${char}`)).toBe(true);
    for (const char of SEPARATORS_AND_OTHERS) expect(isToken(`x${char}`)).toBe(false);
    expect(isToken('')).toBe(false);
  });

  test('has characters that more can be added to in a character class', () => {
    const withColon = new RegExp(`^[${TOKEN_CHARS}:]+$`);
    expect(withColon.test("az:AZ-09.!%*_+`'~")).toBe(true);
    for (const char of SEPARATORS_AND_OTHERS.replace(':', '')) expect(withColon.test(char)).toBe(false);
  });
});

describe('delta-seconds', () => {
  test.each([
    ['0', 0],
    [' 3600\t', 3600],
    ['4294967296', 4_294_967_295],
    ['9'.repeat(21), 4_294_967_295],
    ['9'.repeat(8000), 4_294_967_295],
  ])('%p is %p', (text, seconds) => expect(parseDeltaSeconds(text)).toBe(seconds));

  test.each([undefined, '', '-1', '1.5', '1e3', '0x10', '60 s', '"60"', ' '.repeat(8000), `${'9'.repeat(8000)} x`])(
    '%p is none',
    (text) => expect(parseDeltaSeconds(text)).toBeUndefined(),
  );
});

describe('CSeq', () => {
  test('is a number below 2^31 and a method', () => {
    expect(parseCSeq('2147483647 \t REGISTER')).toEqual({ number: 2_147_483_647, method: 'REGISTER' });
  });

  test.each(['', '1', 'REGISTER 1', '1REGISTER', '-1 REGISTER', '2147483648 REGISTER', '1 REG ISTER'])(
    'is not %p',
    (value) => expect(() => parseCSeq(value)).toThrow(SipSyntaxError),
  );
});
