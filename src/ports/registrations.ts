import type { Aor, Binding } from './location.ts';

/** An AOR and its live bindings, at least one, in the order of `AorState`. */
export interface Registration {
  readonly aor: Aor;
  readonly bindings: readonly Binding[];
}

/** Selects AORs by their names, which costs less than to read their bindings. */
export interface RegistrationFilter {
  /** Only AORs of this realm and its sub-domains; in lower case. */
  readonly realm?: string;
  /** Only AORs with this text in `user@realm`, in any case. */
  readonly text?: string;
}

/** What the location service holds, for operators. It changes nothing, and no phone waits for it. */
export interface Registrations {
  /**
   * Reads all registrations in batches of at most a hundred AORs, which may be empty. A batch takes about a millisecond, and is
   * read when it is asked for. An AOR that registers, leaves or refreshes meanwhile may be missing or come
   * twice.
   * @throws DependencyError
   */
  batches(filter?: RegistrationFilter): AsyncIterable<readonly Registration[]>;
  /** The number of AORs with a live binding, without a scan. @throws DependencyError */
  countAors(): Promise<number>;
}
