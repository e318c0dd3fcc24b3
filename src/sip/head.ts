import { isUtf8 } from 'node:buffer';
import { canonicalName } from './headers.ts';
import type { Header } from './message.ts';
import { isToken } from './syntax.ts';

/** The lines of a message head, not interpreted yet. */
export interface Head {
  readonly startLine: string;
  readonly headers: Header[];
  /** The first thing wrong with its lines, as a reason phrase. The other lines were read. */
  readonly fault: string | undefined;
}

/** Bounds what one message makes us allocate; a REGISTER through five proxies has about thirty. */
const MAX_HEADERS = 100;
/** Characters of one header, folds included. Digest credentials and long Path headers stay below 2 KiB. */
const MAX_HEADER_LENGTH = 8192;

/** A CR or LF outside a CRLF. */
const BARE_BREAK = /\r(?!\n)|(?<!\r)\n/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above; RFC 3261 25.1 lets a quoted-pair carry them
const CONTROL_UNQUOTED = /(?<!\\)[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/** What bytes 0x80 to 0x9F mean in Windows-1252, where Latin-1 has control characters. */
const WINDOWS_1252 = new TextDecoder('windows-1252');
const C1_CONTROL = /[\x80-\x9f]/g;

/**
 * {@link readHead} for bytes. A line that is not UTF-8 is read as Windows-1252, which contains Latin-1, as old phones
 * write it, and keeps its octets: what a response repeats goes back as it came.
 */
export function readHeadBytes(bytes: Buffer): Head {
  if (isUtf8(bytes)) return readHead(bytes.toString('utf8'));
  const { startLine, headers, fault } = readHead(bytes.toString('latin1'));
  const decoded = headers.map(({ name, value }) => {
    const text = decode(value);
    return text.utf8 ? { name, value: text.value } : { name, value: text.value, octets: value };
  });
  return { startLine: decode(startLine).value, headers: decoded, fault };
}

function decode(octets: string): { value: string; utf8: boolean } {
  const bytes = Buffer.from(octets, 'latin1');
  if (isUtf8(bytes)) return { value: bytes.toString('utf8'), utf8: true };
  return { value: WINDOWS_1252.decode(bytes).replace(C1_CONTROL, '\ufffd'), utf8: false };
}

/**
 * Splits a head into lines: each ends with CRLF only, and one that begins with white space continues the line before it
 * (RFC 3261 7.3.1). Never throws; `fault` says what is wrong.
 * @param text from the first character of the start line up to the blank line, which may be missing
 */
export function readHead(text: string): Head {
  const headers: Header[] = [];
  // One test of the whole text, because hardly any message has one.
  const brokenLines = BARE_BREAK.test(text);
  let fault = CONTROL.test(text) && CONTROL_UNQUOTED.test(text) ? 'Control Character in Header' : undefined;

  let end = endOfLine(text, 0);
  const startLine = text.slice(0, end);
  if (brokenLines && BARE_BREAK.test(startLine)) fault ??= 'Malformed Start Line';

  for (let at = end + 2; at < text.length; at = end + 2) {
    end = endOfLine(text, at);
    if (end === at) break;
    let folded = false;
    while (isBlank(text.charCodeAt(end + 2))) {
      end = endOfLine(text, end + 2);
      folded = true;
    }
    if (headers.length === MAX_HEADERS) {
      fault ??= 'Too Many Headers';
      break;
    }
    if (end - at > MAX_HEADER_LENGTH) fault ??= 'Header Too Long';
    else if (brokenLines && BARE_BREAK.test(text.slice(at, end))) fault ??= 'Bare CR or LF in Header';
    else {
      const colon = text.indexOf(':', at);
      const name = colon < 0 || colon > end ? '' : canonicalName(text.slice(at, colon).trimEnd());
      const value = text.slice(colon + 1, end);
      if (isToken(name)) headers.push({ name, value: withoutBlanks(folded ? unfold(value) : value) });
      else fault ??= 'Malformed Header Line';
    }
  }
  return { startLine, headers, fault };
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\r\n', from);
  return end < 0 ? text.length : end;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** Unlike `trim`, which takes the no-break space too, half of a letter when the text is octets. */
function withoutBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function unfold(line: string): string {
  // The lookbehind keeps each blank of a long run from starting a search of its own.
  return line.replace(/(?<![ \t])[ \t]*(?:\r\n[ \t]+)+/g, ' ');
}
