import { printable } from '../../lib/text.ts';

/** How a text is coloured; the text itself always says it too. */
export type Tone = 'good' | 'warn' | 'bad' | 'link';

/** Characters of a text from outside. */
const MAX_TEXT = 300;

/** The element of index.html with this id. @throws Error when it is not of this kind */
export function byId<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`no ${kind.name} has the id ${id}`);
}

/** Shows a text, which may come from anyone: control and direction characters are replaced, and a long text is cut. */
export function setText(node: Element, text: string): void {
  const safe = printable(text);
  const shown = safe.length > MAX_TEXT ? `${safe.slice(0, MAX_TEXT)}…` : safe;
  if (node.textContent !== shown) node.textContent = shown;
}

export function setTone(node: Element, tone: Tone | undefined): void {
  if (node.className !== (tone ?? '')) node.className = tone ?? '';
}

/** A new element with a text in it. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  text = '',
  className = '',
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  if (text !== '') setText(element, text);
  return element;
}

export function button(label: string, onClick: () => void, className = ''): HTMLButtonElement {
  const element = make('button', label, className);
  element.type = 'button';
  element.addEventListener('click', onClick);
  return element;
}
