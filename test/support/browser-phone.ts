import type { Browser, Page, WebSocket } from 'playwright-core';
import { screenshotPath } from './browser.ts';
import { within } from './deadline.ts';

const DEADLINE_MS = 30_000;

export interface BrowserAccount {
  /** `ws://…` or `wss://…`. */
  readonly server: string;
  readonly user: string;
  readonly domain: string;
  readonly password: string;
}

/** A page of test/browser in its own tab, operated by typing and clicking. */
export class BrowserPhone {
  readonly #errors: string[] = [];
  #answered: (answer: string) => void = () => {};

  private constructor(readonly page: Page) {
    page.setDefaultTimeout(DEADLINE_MS);
    page.on('pageerror', (error) => this.#errors.push(error.message));
    page.on('websocket', (socket) => this.#listen(socket));
  }

  /** Opens the page and fills in its form. */
  static async open(browser: Browser, url: string, account: BrowserAccount): Promise<BrowserPhone> {
    const page = await browser.newPage({ viewport: { width: 480, height: 480 } });
    const phone = new BrowserPhone(page);
    await page.clock.install();
    await page.goto(url);
    for (const [label, value] of Object.entries(account))
      await page.getByLabel(label.charAt(0).toUpperCase() + label.slice(1)).fill(value);
    return phone;
  }

  /** Clicks Register. @returns the first final response other than a challenge */
  register(): Promise<string> {
    return this.#answerTo(() => this.#click('Register'));
  }

  unregister(): Promise<string> {
    return this.#answerTo(() => this.#click('Unregister'));
  }

  /** Moves the page's clock forward. @returns the response to the REGISTER that it sends then */
  later(seconds: number): Promise<string> {
    return this.#answerTo(() => this.page.clock.fastForward(seconds * 1000));
  }

  /** Resolves when the page shows this state. @throws with what it shows instead */
  async shows(state: string): Promise<void> {
    try {
      await this.page.locator('#state').getByText(state, { exact: true }).waitFor();
    } catch (error) {
      throw new Error(`waiting for "${state}": ${await this.#happened()}`, { cause: error });
    }
  }

  async screenshot(name: string): Promise<void> {
    await this.page.screenshot({ path: screenshotPath(name) });
  }

  /** Closes the tab; the page has no time to un-register. */
  close(): Promise<void> {
    return this.page.close();
  }

  #click(button: string): Promise<void> {
    return this.page.getByRole('button', { name: button, exact: true }).click();
  }

  async #answerTo(action: () => Promise<void>): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#answered = resolve;
    await action();
    try {
      return await within(promise, DEADLINE_MS, 'answer to REGISTER');
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}: ${await this.#happened()}`);
    }
  }

  #listen(socket: WebSocket): void {
    socket.on('framereceived', ({ payload }) => {
      const message = String(payload);
      if (/^SIP\/2\.0 (?!1|401)/.test(message) && /^CSeq: \d+ REGISTER\r$/m.test(message)) this.#answered(message);
    });
    socket.on('socketerror', (error) => this.#errors.push(error));
  }

  async #happened(): Promise<string> {
    const events = await this.page.locator('#events li').allTextContents();
    return [`the page says ${events.join(', ') || 'nothing'}`, ...this.#errors].join('; ');
  }
}
