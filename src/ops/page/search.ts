import type { BindingRow, RegistrationDetails } from '../../admin/protocol.ts';
import type { Acts } from './act-buttons.ts';
import type { Client } from './client.ts';
import { showDetails } from './details.ts';
import { byId, setText } from './dom.ts';
import { ago, count, plural, until } from './format.ts';
import { Table } from './table.ts';

/** Pause after a key before the search begins, milliseconds. */
const TYPING_MS = 250;

interface Found {
  readonly bindings: readonly BindingRow[];
  /** False: there may be more. */
  readonly complete: boolean;
  readonly now: number;
}

/** Finds bindings by a part of their AOR, or by the address of the phone. */
export class Search {
  readonly #input = byId('search-text', HTMLInputElement);
  readonly #table: Table<BindingRow & { readonly now: number }>;
  readonly #realms: Table<readonly [realm: string, aors: number]>;
  #running: AbortController | undefined;
  #typing = 0;

  constructor(
    private readonly client: Client,
    acts: Acts,
  ) {
    this.#table = new Table(byId('found', HTMLElement), {
      label: 'Bindings found',
      empty: '',
      key: ({ aor, contact, source }) => JSON.stringify([aor, contact, source]),
      columns: [
        {
          title: 'AOR',
          cell: ({ aor }) => ({ text: aor, tone: 'link', onClick: () => void this.#details(aor) }),
          isLong: true,
        },
        { title: 'Contact', cell: ({ contact }) => ({ text: contact }), isMinor: true, isLong: true },
        { title: 'Source', cell: ({ source }) => ({ text: source ?? '–' }), isMinor: true },
        { title: 'Transport', cell: ({ transport }) => ({ text: transport ?? '–' }), isMinor: true },
        { title: 'User agent', cell: ({ userAgent }) => ({ text: userAgent ?? '–' }), isMinor: true, isLong: true },
        { title: 'Expires', cell: ({ expiresAt, now }) => ({ text: until(expiresAt, now) }) },
        { title: 'Act', cell: (binding) => acts.remove(binding) },
      ],
    });
    this.#realms = new Table(byId('realms', HTMLElement), {
      label: 'AORs by realm',
      empty: 'No AOR is registered.',
      key: ([realm]) => realm,
      columns: [
        { title: 'Realm', cell: ([realm]) => this.#realmCell(realm), isLong: true },
        { title: 'AORs', cell: ([, aors]) => ({ text: count(aors) }), isNumber: true },
      ],
    });
    this.#input.oninput = () => {
      clearTimeout(this.#typing);
      this.#typing = window.setTimeout(() => this.again(), TYPING_MS);
    };
    byId('search', HTMLFormElement).onsubmit = (event) => {
      event.preventDefault();
      this.again();
    };
  }

  /** @param realms the largest first; null while they are not known */
  realms(realms: readonly (readonly [string, number])[] | null): void {
    if (realms) this.#realms.show(realms);
    else this.#realms.fail('AORs by realm are not known yet.');
  }

  /** Searches for what is typed. */
  again(): void {
    clearTimeout(this.#typing);
    this.#running?.abort();
    this.#running = new AbortController();
    void this.#find(this.#input.value.trim(), this.#running.signal);
  }

  async #find(text: string, signal: AbortSignal): Promise<void> {
    const result = byId('search-result', HTMLElement);
    if (text === '') {
      this.#table.show([]);
      setText(result, '');
      return;
    }
    const query = new URLSearchParams({ [isAddress(text) ? 'source' : 'aor']: text });
    try {
      const { bindings, complete, now } = await this.client.get<Found>(`/api/reg-list?${query}`, signal);
      this.#table.show(bindings.map((binding) => ({ ...binding, now })));
      const found = complete ? plural(bindings.length, 'binding') : `the first ${plural(bindings.length, 'binding')}`;
      const refusal = bindings.length === 0 && /^[^@]+@[^@]+$/.test(text) ? await this.#whyNot(text) : '';
      if (!signal.aborted) setText(result, found + refusal);
    } catch (error) {
      if (signal.aborted) return;
      this.#table.show([]);
      setText(result, error instanceof Error ? error.message : String(error));
    }
  }

  async #whyNot(aor: string): Promise<string> {
    const { lastRefusal: last, now } = await this.client.read('reg-show', { aor });
    if (!last) return '; the AOR was not refused lately';
    return `; last refused ${ago(last.at, now)}: ${last.reason} (${last.status}), from ${last.source}`;
  }

  async #details(aor: string): Promise<void> {
    const details: RegistrationDetails = await this.client.read('reg-show', { aor });
    showDetails(details);
  }

  #realmCell(realm: string) {
    if (!realm.includes('.')) return { text: realm };
    const find = () => {
      this.#input.value = `@${realm}`;
      this.#input.focus();
      this.again();
    };
    return { text: realm, tone: 'link' as const, onClick: find };
  }
}

/** An IPv4 address, or text that only an IPv6 address can be. */
function isAddress(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text) || /^[\da-f:]*:[\da-f:.]*:[\da-f:.]*$/i.test(text);
}
