import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { cut, escapeJson, escapeJsonTwice, printable } from '../../src/lib/text.ts';

/** C0, DEL, C1, soft hyphen, bidirectional marks, overrides and isolates, line separators, BOM, a tag character. */
const CONTROLS = '\0\x07\b\t\n\r\x1b\x7f\x80\x9b\x9f\u00ad\u061c\u200e\u202e\u2028\u2029\u2066\ufeff\u{e0041}';
const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

describe('cut', () => {
  test.each([
    ['abc', 3, 'abc'],
    ['abcd', 3, 'abc'],
    ['ab😀', 3, 'ab'],
    ['ab😀', 4, 'ab😀'],
    ['a\ud83d', 2, 'a\ufffd'],
    ['\ude00bc', 2, '\ufffdb'],
    ['abc', 0, ''],
  ])('%p to %p units is %p', (text, max, expected) => {
    expect(cut(text, max)).toBe(expected);
  });

  test('any text becomes well-formed, no longer than asked, and is a beginning of the well-formed text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.nat(0xffff).map((c) => String.fromCharCode(c)) }), fc.nat(10), (text, max) => {
        const short = cut(text, max);
        expect(short.isWellFormed()).toBe(true);
        expect(short.length).toBeLessThanOrEqual(max);
        expect(short.length).toBeGreaterThanOrEqual(Math.min(text.length, max) - 1);
        expect(text.toWellFormed()).toStartWith(short);
      }),
    );
  });
});

test('printable text has no control, format or separator characters', () => {
  expect(printable(`a${CONTROLS}b`)).toBe(`a${'\ufffd'.repeat([...CONTROLS].length)}b`);
  expect(printable('Zoë €5 😀 日本')).toBe('Zoë €5 😀 日本');
});

test('escaped JSON has the same value, and no control characters', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...CONTROLS), (value, control) => {
      const json = escapeJson(JSON.stringify({ [`k${control}`]: [control, value] }));
      expect(json).not.toMatch(CONTROL);
      expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify({ [`k${control}`]: [control, value] })));
    }),
  );
  expect(escapeJson('"\u{e0041}\x9b"')).toBe('"\\udb40\\udc41\\u009b"');
});

test('JSON escaped twice shows control characters as escapes once it is parsed, line breaks and tabs excepted', () => {
  const shown = (text: string): unknown => JSON.parse(escapeJsonTwice(JSON.stringify(text)));
  expect(shown('\x1b[2J\x9b\b\f\r\x7f\u202e')).toBe('\\u001b[2J\\u009b\\b\\f\\r\\u007f\\u202e');
  expect(shown('a\n\tb "c" \\u001b \\\\r é😀')).toBe('a\n\tb "c" \\u001b \\\\r é😀');
  expect(shown(CONTROLS)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}](?<![\n\t])/u);
});
