/** The command line is wrong. */
export class UsageError extends Error {}

interface Described {
  readonly help: string;
  readonly value?: string;
}

interface NumberFlag extends Described {
  readonly default: number;
  readonly shownDefault?: string;
  readonly smoke?: number;
  readonly min?: number;
  readonly max?: number;
}

interface Row {
  readonly flag: string;
  readonly help: string;
  readonly byDefault: string;
}

const MAX_NUMBER = 1_000_000;

/**
 * Flags of one command line. Each method declares a flag and returns its value; with `--smoke` the default of a number is
 * its `smoke`. A faulty value does not throw here but in `readFlags`, so that the help text lists every flag.
 */
export class Flags {
  readonly #words: string[];
  readonly #smoke: boolean;
  readonly #rows: Row[] = [];
  #fault: string | undefined;

  constructor(args: readonly string[]) {
    this.#words = [...args];
    this.#smoke = args.includes('--smoke');
  }

  text(name: string, options: Described & { readonly default: string }): string {
    this.#declare(name, options, options.default);
    return this.#last(name) ?? options.default;
  }

  optionalText(name: string, options: Described): string | undefined {
    this.#declare(name, options, '');
    return this.#last(name);
  }

  /** A number from `min`, by default above 0, to `max`, by default a million. */
  number(name: string, options: NumberFlag): number {
    const { min, max = MAX_NUMBER } = options;
    const range = min === undefined ? `above 0, up to ${max}` : `from ${min} to ${max}`;
    const inRange = (value: number) => (min === undefined ? value > 0 : value >= min) && value <= max;
    return this.#number(name, options, inRange, `a number ${range}`);
  }

  /** A whole number from `min`, by default 1, to `max`, by default a million. */
  whole(name: string, options: NumberFlag): number {
    const { min = 1, max = MAX_NUMBER } = options;
    const inRange = (value: number) => Number.isInteger(value) && value >= min && value <= max;
    return this.#number(name, options, inRange, `a whole number from ${min} to ${max}`);
  }

  choice<T extends string>(name: string, known: readonly T[], options: Described & { readonly default: T }): T {
    this.#declare(name, options, options.default);
    const text = this.#last(name);
    return text === undefined ? options.default : (this.#known(name, known, text) ?? options.default);
  }

  /** Repeatable, and several in one value by commas; all of them by default. */
  choices<T extends string>(name: string, known: readonly T[], options: Described): readonly T[] {
    this.#declare(name, options, 'all');
    const words = this.#take(name).flatMap((text) => text.split(','));
    const chosen = words.map((text) => this.#known(name, known, text));
    return chosen.length === 0 ? known : chosen.filter((one) => one !== undefined);
  }

  /** Repeatable. @param read undefined for a text that is not `expected` */
  list<T>(
    name: string,
    options: Described & { readonly default?: string; readonly expected: string; read(text: string): T | undefined },
  ): T[] {
    this.#declare(name, options, options.default ?? '');
    const given = this.#take(name);
    if (given.length === 0 && options.default !== undefined) given.push(options.default);
    return given.flatMap((text) => {
      const value = options.read(text);
      if (value !== undefined) return [value];
      this.#refuse(name, text, options.expected);
      return [];
    });
  }

  toggle(name: string, help: string): boolean {
    this.#rows.push({ flag: `--${name}`, help, byDefault: '' });
    const before = this.#words.length;
    for (let at = this.#words.indexOf(`--${name}`); at >= 0; at = this.#words.indexOf(`--${name}`))
      this.#words.splice(at, 1);
    return this.#words.length < before;
  }

  get fault(): string | undefined {
    const [unknown] = this.#words;
    return this.#fault ?? (unknown === undefined ? undefined : `unexpected argument ${unknown}`);
  }

  get help(): string {
    const lines = this.#rows.flatMap(({ flag, help, byDefault }) =>
      help.split('\n').map((text, i, all) => [i === 0 ? flag : '', text, i === all.length - 1 ? byDefault : '']),
    );
    const width = (column: number) => Math.max(...lines.map((line) => line[column]?.length ?? 0));
    const [flagWidth, helpWidth] = [width(0), width(1)];
    return lines
      .map(([flag = '', help = '', byDefault = '']) =>
        `  ${flag.padEnd(flagWidth)}   ${help.padEnd(helpWidth)}   ${byDefault}`.trimEnd(),
      )
      .join('\n');
  }

  #declare(name: string, { help, value = 'text' }: Described, byDefault: string): void {
    this.#rows.push({ flag: `--${name} <${value}>`, help, byDefault });
  }

  #number(name: string, options: NumberFlag, inRange: (value: number) => boolean, expected: string): number {
    this.#declare(name, { value: 'n', ...options }, options.shownDefault ?? String(options.default));
    const byDefault = (this.#smoke ? options.smoke : undefined) ?? options.default;
    const text = this.#last(name);
    if (text === undefined) return byDefault;
    if (text.trim() !== '' && inRange(Number(text))) return Number(text);
    this.#refuse(name, text, expected);
    return byDefault;
  }

  #known<T extends string>(name: string, known: readonly T[], text: string): T | undefined {
    const found = known.find((one) => one === text);
    if (found === undefined) this.#refuse(name, text, `one of ${known.join(', ')}`);
    return found;
  }

  #last(name: string): string | undefined {
    return this.#take(name).at(-1);
  }

  /** Takes every `--name value` and `--name=value` out of the command line. */
  #take(name: string): string[] {
    const flag = `--${name}`;
    const values: string[] = [];
    for (let at = 0; at < this.#words.length; ) {
      const word = this.#words[at] ?? '';
      if (word.startsWith(`${flag}=`)) {
        values.push(word.slice(flag.length + 1));
        this.#words.splice(at, 1);
      } else if (word === flag) {
        const value = this.#words[at + 1];
        if (value === undefined || value.startsWith('--')) {
          this.#fault ??= `${flag} requires a value`;
          this.#words.splice(at, 1);
        } else {
          values.push(value);
          this.#words.splice(at, 2);
        }
      } else at++;
    }
    return values;
  }

  #refuse(name: string, text: string, expected: string): void {
    this.#fault ??= `--${name} ${text}: must be ${expected}`;
  }
}

/** Reads a command line. @throws UsageError for an unknown flag or a faulty value */
export function readFlags<S>(args: readonly string[], declare: (flags: Flags) => S): S {
  const flags = new Flags(args);
  const settings = declare(flags);
  if (flags.fault !== undefined) throw new UsageError(flags.fault);
  return settings;
}

export function helpOf(declare: (flags: Flags) => unknown): string {
  const flags = new Flags([]);
  declare(flags);
  flags.toggle('help', 'this text');
  return flags.help;
}
