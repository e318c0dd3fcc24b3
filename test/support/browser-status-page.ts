import { expect } from 'bun:test';
import axe from 'axe-core';
import type { Browser, Locator, Page } from 'playwright-core';
import { screenshotPath } from './browser.ts';

const DEADLINE_MS = 30_000;
const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };

interface Look {
  readonly colorScheme?: 'light' | 'dark';
  readonly viewport?: { readonly width: number; readonly height: number };
}

/** The status page in a tab of its own, with all that goes wrong in it. */
export class StatusPage {
  readonly #problems: string[] = [];

  private constructor(
    readonly page: Page,
    url: string,
  ) {
    page.setDefaultTimeout(DEADLINE_MS);
    page.on('pageerror', (error) => this.#problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.#problems.push(message.text());
    });
    page.on('request', (request) => {
      if (new URL(request.url()).host !== new URL(url).host) this.#problems.push(`request to ${request.url()}`);
    });
  }

  static async open(browser: Browser, url: string, { colorScheme = 'light', viewport = DESKTOP }: Look = {}) {
    const page = new StatusPage(await browser.newPage({ colorScheme, viewport }), url);
    await page.page.goto(url);
    await page.shows('#readiness', /ready/);
    return page;
  }

  /** Waits until an element has this text. */
  async shows(selector: string, text: string | RegExp): Promise<void> {
    await this.page.locator(selector, { hasText: text }).first().waitFor();
  }

  async isGone(selector: string, text: string | RegExp): Promise<void> {
    await this.page.locator(selector, { hasText: text }).first().waitFor({ state: 'hidden' });
  }

  /** The row of a list. @param list id of the element around it */
  row(list: string, text: string | RegExp): Locator {
    return this.page.locator(`#${list} tbody tr`, { hasText: text });
  }

  button(name: string | RegExp, within: Page | Locator = this.page): Locator {
    return within.getByRole('button', { name, exact: typeof name === 'string' });
  }

  async enterToken(token: string): Promise<void> {
    if (!(await this.page.locator('#token-dialog').isVisible())) await this.button('Enter token').click();
    await this.page.getByLabel('Token', { exact: true }).fill(token);
    await this.button('Use it').click();
  }

  /** Enters the right token, and waits until the operator may act. */
  async unlock(token: string): Promise<void> {
    await this.enterToken(token);
    await this.shows('#access', 'you may act');
    await this.page.locator('#token-dialog').waitFor({ state: 'hidden' });
  }

  /** Fails for what axe-core finds serious or critical. */
  async isAccessible(): Promise<void> {
    // Evaluated by the debugger, which the policy of the page does not hinder.
    await this.page.evaluate(axe.source);
    const violations: axe.Result[] = await this.page.evaluate('axe.run().then((results) => results.violations)');
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    expect(
      serious.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary }) => [html, failureSummary])]),
    ).toEqual([]);
  }

  async screenshot(name: string): Promise<void> {
    await this.page.screenshot({ path: screenshotPath(`status-page-${name}`), fullPage: true });
  }

  /** Closes the page. @throws when it had an error, or a request to another host */
  async close(): Promise<void> {
    await this.page.close();
    expect(this.#problems).toEqual([]);
  }

  /** Forgets a problem that the test has provoked. */
  expectProblem(text: RegExp): void {
    expect(this.#problems.splice(0)).toEqual([expect.stringMatching(text)]);
  }
}
