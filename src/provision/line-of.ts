/** Keys, and indexes of arrays. */
export type Path = readonly (string | number)[];

/**
 * Finds keys in a valid TOML file. Indexes of arrays count from 0.
 * @returns the line of each key, counted from 1; of the closest table around it when the key is missing
 */
export function linesOf(text: string, paths: readonly Path[]): number[] {
  const around = paths.map((path) => path.map((_, i) => textOf(path.slice(0, path.length - i))));
  const lines = new KeyScanner(text, new Set(around.flat())).scan();
  return around.map((keys) => lines.get(keys.find((key) => lines.has(key)) ?? '') ?? 1);
}

function textOf(path: Path): string {
  return JSON.stringify(path);
}

const SPACE = /(?:[\s,]|#.*)*/y;
const BLANK = /[ \t]*/y;
const BARE_KEY = /[\w-]+/y;
const STRING = /"""(?:\\.|[^\\])*?"""+|'''.*?'''+|"(?:\\.|[^"\\])*"|'[^']*'/sy;
const OTHER_VALUE = /[^,\]}#\n]*/y;

/** Notes the line of each wanted key or array element. It relies on valid TOML, and ends on any other text. */
class KeyScanner {
  readonly #lines = new Map<string, number>();
  /** Arrays of tables: how many of their tables there were. */
  readonly #lengths = new Map<string, number>();
  #at = 0;
  #line = 1;
  #counted = 0;

  /** @param wanted see {@link textOf} */
  constructor(
    private readonly text: string,
    private readonly wanted: ReadonlySet<string>,
  ) {}

  scan(): ReadonlyMap<string, number> {
    let table: Path = [];
    for (this.#take(SPACE); this.#at < this.text.length; this.#take(SPACE)) {
      const before = this.#at;
      if (this.text[this.#at] === '[') table = this.#header();
      else this.#assignment(table);
      if (this.#at === before) break;
    }
    return this.#lines;
  }

  /** `[table]` or `[[array of tables]]`. @returns the path of what follows */
  #header(): Path {
    const isArray = this.text.startsWith('[[', this.#at);
    this.#at += isArray ? 2 : 1;
    const keys = this.#dottedKey();
    let path: Path = [];
    for (const [i, key] of keys.entries()) {
      path = [...path, key];
      this.#note(path);
      const known = this.#lengths.get(textOf(path)) ?? 0;
      const length = isArray && i === keys.length - 1 ? known + 1 : known;
      if (length === 0) continue;
      this.#lengths.set(textOf(path), length);
      path = [...path, length - 1];
    }
    this.#note(path);
    this.#at += isArray ? 2 : 1;
    return path;
  }

  #assignment(table: Path): void {
    let path = table;
    for (const key of this.#dottedKey()) {
      path = [...path, key];
      this.#note(path);
    }
    this.#take(BLANK);
    this.#at += 1; // the equals sign
    this.#take(BLANK);
    this.#value(path);
  }

  #value(path: Path): void {
    const opening = this.text[this.#at];
    if (opening === '{') this.#inside('}', () => this.#assignment(path));
    else if (opening === '[')
      this.#inside(']', (index) => {
        this.#note([...path, index]);
        this.#value([...path, index]);
      });
    else if (this.#take(STRING) === '') this.#take(OTHER_VALUE);
  }

  #inside(closing: string, item: (index: number) => void): void {
    this.#at += 1;
    this.#take(SPACE);
    for (let index = 0; this.#at < this.text.length && this.text[this.#at] !== closing; index++) {
      const before = this.#at;
      item(index);
      this.#take(SPACE);
      if (this.#at === before) return;
    }
    this.#at += 1;
  }

  #dottedKey(): string[] {
    const keys: string[] = [];
    for (;;) {
      this.#take(BLANK);
      const quoted = this.#take(STRING);
      keys.push(quoted === '' ? this.#take(BARE_KEY) : unquoted(quoted));
      this.#take(BLANK);
      if (this.text[this.#at] !== '.') return keys;
      this.#at += 1;
    }
  }

  #note(path: Path): void {
    const key = textOf(path);
    if (!this.wanted.has(key) || this.#lines.has(key)) return;
    for (; this.#counted < this.#at; this.#counted++) if (this.text[this.#counted] === '\n') this.#line += 1;
    this.#lines.set(key, this.#line);
  }

  /** @returns what matches here, after having passed it */
  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [found = ''] = pattern.exec(this.text) ?? [];
    this.#at += found.length;
    return found;
  }
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', t: '\t', n: '\n', f: '\f', r: '\r', e: '\u001b' };

/** The key that a quoted one stands for. */
function unquoted(quoted: string): string {
  const inner = quoted.slice(1, -1);
  if (quoted.startsWith("'")) return inner;
  return inner.replace(/\\(?:u([\da-f]{4})|U([\da-f]{8})|x([\da-f]{2})|(.))/gi, (_, u, U, x, other) => {
    const hex: string | undefined = u ?? U ?? x;
    return hex === undefined ? (ESCAPES[other] ?? other) : String.fromCodePoint(Number.parseInt(hex, 16));
  });
}
