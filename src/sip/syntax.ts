/** The only error that the parsers of this folder throw: the text does not follow the grammar. */
export class SipSyntaxError extends Error {
  override readonly name = 'SipSyntaxError';
}

/** What `parse` returns, or undefined when it throws {@link SipSyntaxError}. Other errors pass. */
export function tryParse<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SipSyntaxError) return undefined;
    throw error;
  }
}

/** The characters of a token (RFC 3261 25.1), to put first inside the brackets of a character class. */
export const TOKEN_CHARS = "-A-Za-z0-9.!%*_+`'~";
/** A token (RFC 3261 25.1), as the source of a regular expression. */
export const TOKEN = `[${TOKEN_CHARS}]+`;

const NEXT_TOKEN = new RegExp(TOKEN, 'y');
const WHOLE_TOKEN = new RegExp(`^${TOKEN}$`);

/** Whether the whole text is one token (RFC 3261 25.1), such as a header name. */
export function isToken(text: string): boolean {
  return WHOLE_TOKEN.test(text);
}

/**
 * A cursor over one header value, unfolded or not: LWS (RFC 3261 25.1) covers both.
 */
export class Cursor {
  constructor(
    readonly text: string,
    public at = 0,
  ) {}

  get done(): boolean {
    return this.at >= this.text.length;
  }

  /** The character under the cursor, or '' at the end. */
  peek(): string {
    return this.text.charAt(this.at);
  }

  /** Matches a sticky expression at the cursor and moves past the match; undefined, without a move, when there is none. */
  match(sticky: RegExp): string | undefined {
    const start = this.at;
    sticky.lastIndex = start;
    // Without the array of `exec`, which is most of the garbage of a message.
    if (!sticky.test(this.text)) return undefined;
    this.at = sticky.lastIndex;
    return this.text.slice(start, this.at);
  }

  /** LWS, without an expression: this runs around every separator. */
  skipSpace(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x09 && code !== 0x0d && code !== 0x0a) return;
      this.at++;
    }
  }

  /** Takes the character and the white space around it (SEMI, EQUAL, COMMA … of RFC 3261 25.1). */
  take(char: string): boolean {
    const start = this.at;
    this.skipSpace();
    if (this.peek() !== char) {
      this.at = start;
      return false;
    }
    this.at++;
    this.skipSpace();
    return true;
  }

  token(what: string): string {
    return this.match(NEXT_TOKEN) ?? this.fail(`${what} expected`);
  }

  /** A quoted string, unescaped and without its quotes; the cursor stands on the opening quote. */
  quotedString(): string {
    const end = this.text.indexOf('"', this.at + 1);
    if (end < 0) return this.fail('quoted string without an end');
    const plain = this.text.slice(this.at + 1, end);
    if (plain.includes('\\')) return this.#escapedString();
    this.at = end + 1;
    return plain;
  }

  #escapedString(): string {
    let value = '';
    for (let i = this.at + 1; i < this.text.length; i++) {
      const c = this.text.charAt(i);
      if (c === '"') {
        this.at = i + 1;
        return value;
      }
      if (c === '\\') i++;
      value += this.text.charAt(i);
    }
    return this.fail('quoted string without an end');
  }

  fail(what: string): never {
    throw new SipSyntaxError(`${what} at character ${this.at + 1}`);
  }
}

/** Escapes and quotes a text as quoted-string (RFC 3261 25.1). */
export function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}
