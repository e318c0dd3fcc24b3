import type { Screen } from '../../src/ports/sip-server.ts';
import { type Header, headerValue } from '../../src/sip/message.ts';

/** Bans one address: when told to, or for a request with the User-Agent `intruder`. */
export class TestScreen implements Screen {
  readonly malformedFrom: string[] = [];
  #isOn = false;
  readonly #listeners: ((network: string) => void)[] = [];

  constructor(private readonly address: string) {}

  isBanned(address: string): boolean {
    return this.#isOn && address === this.address;
  }

  admits(address: string, headers: readonly Header[]): boolean {
    if (headerValue(headers, 'User-Agent') === 'intruder') this.ban();
    return !this.isBanned(address);
  }

  malformed(address: string): void {
    this.malformedFrom.push(address);
  }

  onBanned(listener: (network: string) => void): void {
    this.#listeners.push(listener);
  }

  ban(): void {
    this.#isOn = true;
    for (const listener of this.#listeners) listener(this.address);
  }
}
