import { canonicalName } from './headers.ts';
import type { Header } from './message.ts';

/** A message head taken apart into lines, before anyone asks what they mean. */
export interface Head {
  readonly startLine: string;
  readonly headers: Header[];
  /** The first thing wrong with its lines, fit for a reason phrase; the rest was read all the same. */
  readonly fault: string | undefined;
}

/** A bound on what one message can make us allocate; a REGISTER through five proxies has about thirty. */
export const MAX_HEADERS = 100;
/** Characters of one header, folds included. Digest credentials and long Path headers stay below 2 KiB. */
export const MAX_HEADER_LENGTH = 8192;

const TOKEN = /^[A-Za-z0-9\-.!%*_+`'~]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above; RFC 3261 25.1 lets a quoted-pair carry them
const CONTROL_UNQUOTED = /(?<!\\)[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/**
 * Takes a head apart: lines end with CRLF and nothing else, a line that begins with white space continues the one
 * before it (RFC 3261 7.3.1). Never throws; what is wrong is told in `fault`.
 * @param text from the first character of the start line up to the blank line, which may be missing
 */
export function readHead(text: string): Head {
  const headers: Header[] = [];
  let fault = CONTROL.test(text) && CONTROL_UNQUOTED.test(text) ? 'Control Character in Header' : undefined;

  let end = endOfLine(text, 0);
  const startLine = text.slice(0, end);
  if (hasBreak(startLine)) fault ??= 'Malformed Start Line';

  for (let at = end + 2; at < text.length; at = end + 2) {
    end = endOfLine(text, at);
    if (end === at) break;
    const first = end;
    // A continuation begins with a space or a tab; most messages have none and take no step of this loop.
    while (isBlank(text.charCodeAt(end + 2))) end = endOfLine(text, end + 2);

    if (end - at > MAX_HEADER_LENGTH) {
      fault ??= 'Header Too Long';
      continue;
    }
    if (headers.length === MAX_HEADERS) {
      fault ??= 'Too Many Headers';
      break;
    }
    const line = end === first ? text.slice(at, end) : unfold(text.slice(at, end));
    if (hasBreak(line)) {
      fault ??= 'Bare CR or LF in Header';
      continue;
    }
    const colon = line.indexOf(':');
    const name = canonicalName(line.slice(0, Math.max(colon, 0)).trimEnd());
    if (!TOKEN.test(name)) fault ??= 'Malformed Header Line';
    else headers.push({ name, value: line.slice(colon + 1).trim() });
  }
  return { startLine, headers, fault };
}

/** The index of the next CRLF, or the end of the text. */
function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\r\n', from);
  return end < 0 ? text.length : end;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function hasBreak(line: string): boolean {
  return line.includes('\n') || line.includes('\r');
}

function unfold(line: string): string {
  return line.replace(/[ \t]*\r\n[ \t]+/g, ' ');
}
