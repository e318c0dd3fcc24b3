/** What is typed into the form. */
export interface Account {
  /** `ws://…` or `wss://…`. */
  readonly server: string;
  readonly user: string;
  readonly domain: string;
  readonly password: string;
}

/** A phone that one of the libraries makes. */
export interface Softphone {
  /** Connects if it has not yet, and registers, again if it is registered. */
  register(): void;
  unregister(): void;
}

/** Says how things stand, and adds it to the list of events. */
export type Show = (state: string) => void;

/** The little of the DOM that is used here: the project's types are those of a server. */
interface PageElement {
  textContent: string;
  value: string;
  onclick: () => void;
  append(child: PageElement): void;
}
declare const document: {
  getElementById(id: string): PageElement | null;
  createElement(name: string): PageElement;
};

/** Brings the form to life: the phone is made of what it says when Register is clicked for the first time. */
export function startPage(library: string, makePhone: (account: Account, show: Show) => Softphone): void {
  let phone: Softphone | undefined;
  element('library').textContent = library;
  element('register').onclick = () => {
    phone ??= makePhone(account(), show);
    phone.register();
  };
  element('unregister').onclick = () => phone?.unregister();
}

function account(): Account {
  const [server, user, domain, password] = [value('server'), value('user'), value('domain'), value('password')];
  return { server, user, domain, password };
}

function show(state: string): void {
  const event = document.createElement('li');
  event.textContent = state;
  element('events').append(event);
  element('state').textContent = state;
}

function value(id: string): string {
  return element(id).value;
}

function element(id: string): PageElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found;
}
