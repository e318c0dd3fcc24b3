import type { Allowed, Client } from './client.ts';
import { byId, setText } from './dom.ts';

/** How long a notice is shown, milliseconds. */
const NOTICE_MS = 8000;

const notice = byId('notice', HTMLElement);
let noticeTimer = 0;

/** Shows what came of an act. */
export function say(text: string, isBad = false): void {
  setText(notice, text);
  notice.className = isBad ? 'shown bad' : 'shown';
  clearTimeout(noticeTimer);
  noticeTimer = window.setTimeout(() => {
    notice.className = '';
    setText(notice, '');
  }, NOTICE_MS);
}

/** Asks the operator before an act. @param yes the label of the button that agrees */
export function confirmed(title: string, text: string, yes: string): Promise<boolean> {
  const dialog = byId('question', HTMLDialogElement);
  setText(byId('h-question', HTMLElement), title);
  setText(byId('question-text', HTMLElement), text);
  const agree = byId('question-yes', HTMLButtonElement);
  setText(agree, yes);
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === 'yes');
    agree.onclick = () => dialog.close('yes');
    byId('question-no', HTMLButtonElement).onclick = () => dialog.close('no');
    dialog.returnValue = 'no';
    dialog.showModal();
  });
}

/** The token: entered in a dialog, kept by the client, forgotten on request. */
export class TokenDialog {
  readonly #dialog = byId('token-dialog', HTMLDialogElement);
  readonly #button = byId('token-button', HTMLButtonElement);
  readonly #input = byId('token', HTMLInputElement);
  readonly #error = byId('token-error', HTMLElement);
  #allowed: Allowed | undefined;

  /** @param changed called when something else may be done from now on */
  constructor(
    private readonly client: Client,
    private readonly changed: (allowed: Allowed) => void,
  ) {
    this.#button.onclick = () => (this.#allowed?.act ? this.#forget() : this.#open());
    byId('token-cancel', HTMLButtonElement).onclick = () => this.#dialog.close();
    byId('token-form', HTMLFormElement).onsubmit = (event) => {
      event.preventDefault();
      void this.#enter();
    };
  }

  /** Shows what may be done. */
  show(allowed: Allowed): void {
    this.#allowed = allowed;
    const { read, act, token } = allowed;
    const what = act ? 'you may act' : read ? 'read-only' : 'locked';
    const why = token === 'none' ? ': HTTP_ADMIN_TOKEN is not set' : '';
    setText(byId('access', HTMLElement), what + why);
    this.#button.hidden = token === 'none';
    setText(this.#button, act ? 'Forget token' : 'Enter token');
    if (!read && token !== 'none' && !this.#dialog.open) this.#open();
  }

  #open(): void {
    this.#input.value = '';
    setText(this.#error, '');
    this.#dialog.showModal();
  }

  async #enter(): Promise<void> {
    try {
      const allowed = await this.client.access(this.#input.value.trim());
      if (allowed.act) {
        this.#dialog.close();
        this.changed(allowed);
      } else
        setText(this.#error, allowed.token === 'limited' ? 'Too many wrong tokens: wait a minute.' : 'Wrong token.');
    } catch (error) {
      setText(this.#error, `The sidecar does not answer: ${error instanceof Error ? error.message : error}`);
    }
  }

  async #forget(): Promise<void> {
    this.client.forgetToken();
    this.changed(await this.client.access());
  }
}
