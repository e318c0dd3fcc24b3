import { authorization, findChallenge, ha1, ha2 } from '../lib/digest.ts';
import { contactLines, requestText } from '../lib/request.ts';
import type { Waiting } from '../register/retransmit.ts';
import type { UdpSource } from '../register/source.ts';
import type { Attempt } from './history.ts';

export type Work = 'move' | 'refresh' | 'unregister';

export interface Line {
  readonly realm: string;
  /** Makes branches unique to this run. */
  readonly salt: string;
  readonly source: UdpSource;
}

/** The final answer to a REGISTER. */
export interface End {
  readonly status: number;
  /** What is wrong with a 200. */
  readonly flaw?: string;
}

/** Challenges in a row that a phone answers. */
const MAX_CHALLENGES = 3;
const DEFAULT_RETRY_MS = 1000;

/** A phone with one REGISTER at a time, which keeps its Call-ID and remembers what it was answered. */
export class ChaosPhone implements Waiting<ChaosPhone> {
  stage = -1;
  dueAt = 0;
  previous: ChaosPhone | undefined;
  next: ChaosPhone | undefined;
  /** When it may send again after a refusal, performance.now(). */
  readyAt = 0;
  history: Attempt[] = [];
  readonly aor: string;
  readonly #line: Line;
  readonly #user: string;
  readonly #ha1: string;
  readonly #callId: string;
  /** The Contact that the last 200 confirmed. */
  #bound: string | undefined;
  #moves = 0;
  #cseq = 0;
  #challenges = 0;
  #credentials = '';
  #request = '';
  #branch = '';
  #current: { readonly wanted: string | undefined; readonly contact: string; readonly sentAt: number } | undefined;

  constructor(
    readonly slot: number,
    user: string,
    password: string,
    line: Line,
  ) {
    this.#line = line;
    this.#user = user;
    this.#ha1 = ha1(user, line.realm, password);
    this.#callId = `${slot}-${line.salt}`;
    this.aor = `${user}@${line.realm}`;
  }

  get isIdle(): boolean {
    return this.#current === undefined;
  }

  /** Begins a REGISTER: from a new Contact, with the Contact that is bound, or to remove all. */
  begin(work: Work, now: number): void {
    const { address, port } = this.#line.source;
    const refreshed = work === 'refresh' ? this.#bound : undefined;
    const contact = refreshed ?? `sip:${this.#user}-${++this.#moves}@${address}:${port}`;
    this.#current =
      work === 'unregister'
        ? { wanted: undefined, contact: 'Contact: *\r\nExpires: 0\r\n', sentAt: now }
        : { wanted: contact, contact: contactLines(contact), sentAt: now };
    this.#credentials = '';
    this.#challenges = 0;
    this.#send();
  }

  resend(): void {
    this.#line.source.send(this.#request);
  }

  /** @returns 'challenged' when it has sent another request, 'stray' for a response that it does not wait for */
  receive(status: number, response: string, branchAt: number, now: number): End | 'challenged' | 'stray' {
    const current = this.#current;
    if (!current || status < 200 || !response.startsWith(this.#branch, branchAt)) return 'stray';
    if (status === 401 && this.#challenges++ < MAX_CHALLENGES) {
      const challenge = findChallenge(response);
      if (challenge) {
        const { realm, salt } = this.#line;
        const uri = `sip:${realm}`;
        const credentials = { user: this.#user, uri, ha1: this.#ha1, ha2: ha2(uri), cnonce: salt };
        this.#credentials = authorization(challenge, credentials);
        this.#send();
        return 'challenged';
      }
    }
    const granted = status === 200;
    if (granted) this.#bound = current.wanted;
    else {
      const seconds = /\r\nRetry-After: *(\d+)/i.exec(response)?.[1];
      this.readyAt = now + (seconds === undefined ? DEFAULT_RETRY_MS : Number(seconds) * 1000);
    }
    this.#end(granted, now);
    const listed = /\r\nContact: *<([^>]+)>/i.exec(response)?.[1];
    if (!granted || listed === current.wanted) return { status };
    return { status, flaw: `200 lists ${listed ?? 'no Contact'}, not ${current.wanted ?? 'none'}` };
  }

  /** Ends the REGISTER without an answer. */
  giveUp(now: number): void {
    this.#end(false, now);
  }

  #end(granted: boolean, now: number): void {
    const current = this.#current;
    if (!current) return;
    this.history.push({ wanted: current.wanted, sentAt: current.sentAt, endedAt: now, granted });
    // Without a 200 the phone does not know what is bound, and moves next.
    if (!granted) this.#bound = undefined;
    this.#current = undefined;
    this.#branch = '';
  }

  #send(): void {
    const { realm, salt, source } = this.#line;
    this.#cseq++;
    this.#branch = `${this.slot}-${this.#cseq}-${salt}`;
    this.#request = requestText({
      method: 'REGISTER',
      realm,
      aor: `<sip:${this.aor}>`,
      tag: `${this.slot}`,
      via: `UDP ${source.address}:${source.port}`,
      branch: this.#branch,
      callId: this.#callId,
      cseq: this.#cseq,
      more: (this.#current?.contact ?? '') + this.#credentials,
    });
    this.resend();
  }
}
