import { button, make, setText, setTone, type Tone } from './dom.ts';

/** What a cell shows. */
export interface Cell {
  readonly text: string;
  readonly tone?: Tone | undefined;
  /** Makes the cell a button. */
  readonly onClick?: (() => void) | undefined;
}

export interface Column<Row> {
  readonly title: string;
  /** undefined: an empty cell. */
  cell(row: Row): Cell | undefined;
  /** Hidden where the page is narrow. */
  readonly isMinor?: boolean;
  readonly isNumber?: boolean;
  /** Long texts, which may be broken anywhere. */
  readonly isLong?: boolean;
}

export interface TableOptions<Row> {
  /** For screen readers. */
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  /** Tells rows apart, so that a row keeps its place in the document, and its focus, while its cells change. */
  key(row: Row): string;
  /** In the place of a table without rows. */
  readonly empty: string;
}

/** A table that is updated in place. */
export class Table<Row> {
  readonly #note = make('p', '', 'note');
  readonly #region = make('div', '', 'scroll');
  readonly #body = make('tbody');
  #rows = new Map<string, HTMLTableRowElement>();

  constructor(
    parent: Element,
    private readonly options: TableOptions<Row>,
  ) {
    const table = make('table');
    table.append(make('caption', options.label, 'unseen'), this.#head(), this.#body);
    this.#region.append(table);
    this.#region.tabIndex = 0;
    this.#region.setAttribute('role', 'region');
    this.#region.setAttribute('aria-label', options.label);
    parent.append(this.#region, this.#note);
    this.#region.hidden = true;
  }

  /** @param more rows that the sidecar has besides */
  show(rows: readonly Row[], more = 0): void {
    const kept = new Map<string, HTMLTableRowElement>();
    for (const row of rows) {
      const key = this.options.key(row);
      const element = this.#rows.get(key) ?? this.#newRow();
      this.#fill(element, row);
      kept.set(key, element);
    }
    for (const [key, element] of this.#rows) if (kept.get(key) !== element) element.remove();
    let place = this.#body.firstElementChild;
    for (const element of kept.values()) {
      if (element === place) place = place.nextElementSibling;
      else this.#body.insertBefore(element, place);
    }
    this.#rows = kept;
    this.#region.hidden = rows.length === 0;
    setText(this.#note, rows.length === 0 ? this.options.empty : more > 0 ? `and ${more} more` : '');
  }

  /** Shows a text in place of the rows. */
  fail(why: string): void {
    this.show([]);
    setText(this.#note, why);
  }

  #head(): HTMLElement {
    const row = make('tr');
    for (const column of this.options.columns) {
      const cell = make('th', column.title, classOf(column));
      cell.scope = 'col';
      row.append(cell);
    }
    const head = make('thead');
    head.append(row);
    return head;
  }

  #newRow(): HTMLTableRowElement {
    const row = make('tr');
    for (const column of this.options.columns) {
      const cell = make('td', '', classOf(column));
      cell.append(make('span'));
      row.append(cell);
    }
    return row;
  }

  #fill(element: HTMLTableRowElement, row: Row): void {
    for (const [i, column] of this.options.columns.entries()) {
      const content = element.cells[i]?.firstElementChild;
      if (content) fillCell(content, column.cell(row) ?? { text: '' });
    }
  }
}

function classOf({ isMinor, isNumber, isLong }: Pick<Column<never>, 'isMinor' | 'isNumber' | 'isLong'>): string {
  return [isMinor && 'minor', isNumber && 'number', isLong && 'long'].filter(Boolean).join(' ');
}

/** A button stays the same element while its label does. */
function fillCell(content: Element, { text, tone, onClick }: Cell): void {
  const isButton = content instanceof HTMLButtonElement;
  if (onClick && isButton && content.textContent === text) return;
  if (onClick || isButton) content.replaceWith(onClick ? button(text, onClick, tone) : make('span', text, tone));
  else {
    setText(content, text);
    setTone(content, tone);
  }
}
