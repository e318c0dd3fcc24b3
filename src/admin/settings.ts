/** A setting that changes the running process. */
export interface Effect {
  get(): unknown;
  set(value: unknown): void;
}

/** The setting is not changed; the message is for the operator. */
export class SettingError extends Error {
  override readonly name = 'SettingError';
}

const MAX_SETTINGS = 1000;
/** Key and value together, as JSON. */
const MAX_SETTING_BYTES = 4096;

/** Runtime settings, kept in memory only. Unknown keys are stored, without effect. */
export class Settings {
  readonly #values = new Map<string, unknown>();

  constructor(private readonly effects: Readonly<Record<string, Effect>>) {}

  get(key: string): unknown {
    return this.#effect(key)?.get() ?? this.#values.get(key);
  }

  all(): Record<string, unknown> {
    const effective = Object.entries(this.effects).map(([key, effect]): [string, unknown] => [key, effect.get()]);
    return Object.fromEntries([...effective, ...this.#values]);
  }

  /** @returns whether the key has an effect @throws SettingError */
  set(key: string, value: unknown): boolean {
    const effect = this.#effect(key);
    if (bytesOf(key) + bytesOf(value) > MAX_SETTING_BYTES)
      throw new SettingError(`a setting may have ${MAX_SETTING_BYTES} bytes at most, key and value together`);
    if (effect) effect.set(value);
    else {
      if (!this.#values.has(key) && this.#values.size >= MAX_SETTINGS)
        throw new SettingError(`there are ${MAX_SETTINGS} settings, no more are kept`);
      this.#values.set(key, value);
    }
    return effect !== undefined;
  }

  add(key: string, item: unknown): { array: unknown[]; added: boolean } {
    const array = listOf(this.get(key));
    if (array.includes(item)) return { array, added: false };
    array.push(item);
    this.set(key, array);
    return { array, added: true };
  }

  remove(key: string, item: unknown): { array: unknown[]; removed: boolean } {
    const before = listOf(this.get(key));
    const array = before.filter((each) => each !== item);
    const removed = array.length < before.length;
    if (removed) this.set(key, array);
    return { array, removed };
  }

  #effect(key: string): Effect | undefined {
    return Object.hasOwn(this.effects, key) ? this.effects[key] : undefined;
  }
}

function bytesOf(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}

/** The items of an array or of a comma-separated text. */
function listOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return [...value];
  if (typeof value !== 'string') return [];
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
