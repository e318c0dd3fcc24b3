import { authorization, type Challenge, findChallenge, ha1 } from '../lib/digest.ts';
import { contactLines, requestText } from '../lib/request.ts';
import type { Waiting } from './retransmit.ts';

/** One unit of work; `enrol` is the warm-up of `refresh`. */
export type Work = 'full' | 'refresh' | 'options' | 'unregister' | 'enrol';

interface Step {
  readonly method: 'REGISTER' | 'OPTIONS';
  readonly authorized: boolean;
  readonly status: 200 | 401;
  /** Whether the 200 must list the Contact or must not. */
  readonly binding?: 'bound' | 'gone';
}

const OPTIONS: Step = { method: 'OPTIONS', authorized: false, status: 200 };
const REFRESH: Step = { method: 'REGISTER', authorized: false, status: 200, binding: 'bound' };
const REGISTER: readonly Step[] = [
  { method: 'REGISTER', authorized: false, status: 401, binding: 'bound' },
  { method: 'REGISTER', authorized: true, status: 200, binding: 'bound' },
];
const UNREGISTER: readonly Step[] = [
  { method: 'REGISTER', authorized: false, status: 401, binding: 'gone' },
  { method: 'REGISTER', authorized: true, status: 200, binding: 'gone' },
];

const STEPS: Record<Work, readonly Step[]> = {
  full: REGISTER,
  enrol: REGISTER,
  refresh: [REFRESH],
  options: [OPTIONS],
  unregister: [...REGISTER, ...UNREGISTER],
};

export interface Source {
  readonly address: string;
  readonly port: number;
  send(message: string): void;
}

export interface Domain {
  readonly realm: string;
  readonly ha2: string;
  readonly expires: number;
  /** Makes Call-IDs, branches and Contacts unique to this process. */
  readonly salt: string;
  /** Called for every request, not for retransmissions. */
  onRequest(userAgent: UserAgent): void;
}

/** What a response did to the unit of work; `stray` matches no request in flight. */
export type Outcome = 'pending' | 'done' | 'stray' | { readonly wrong: string };

/**
 * One user's phone as a client of RFC 3261 17.1.2, one unit of work at a time. Made for very many of them: the sockets and
 * the timers are the load's.
 */
export class UserAgent implements Waiting<UserAgent> {
  stage = -1;
  dueAt = 0;
  previous: UserAgent | undefined;
  next: UserAgent | undefined;
  /** When the unit of work began, on the load's clock, ms. */
  startedAt = 0;

  readonly slot: number;
  readonly #source: Source;
  readonly #domain: Domain;
  readonly #user: string;
  readonly #password: string;
  readonly #aor: string;
  #ha1: string | undefined;
  #steps: readonly Step[] = [];
  #step = 0;
  #request = '';
  #branch = '';
  #sequence = 0;
  #cseq = 0;
  #callId = '';
  #contactUser = '';
  #challenge: Challenge | undefined;

  constructor(slot: number, user: string, password: string, source: Source, domain: Domain) {
    this.slot = slot;
    this.#user = user;
    this.#password = password;
    this.#source = source;
    this.#domain = domain;
    this.#aor = `<sip:${user}@${domain.realm}>`;
  }

  /** Begins a unit of work. Every one but a refresh has a new Contact and Call-ID. */
  begin(work: Work): void {
    this.#steps = STEPS[work];
    this.#step = 0;
    if (work !== 'refresh') {
      const unit = `${this.slot.toString(36)}-${(++this.#sequence).toString(36)}-${this.#domain.salt}`;
      this.#callId = `${unit}@${this.#source.address}`;
      this.#contactUser = unit;
      this.#cseq = 0;
    }
    this.#send();
  }

  resend(): void {
    this.#source.send(this.#request);
  }

  /** Handles a response whose branch names this user agent; after the expected one sends the next request. */
  receive(status: number, response: string, branchAt: number): Outcome {
    const step = this.#steps[this.#step];
    if (!step || !response.startsWith(this.#branch, branchAt) || status < 200) return 'stray';
    const flaw = this.#flaw(step, status, response);
    if (flaw) return this.#end({ wrong: flaw });
    this.#step++;
    if (this.#step === this.#steps.length) return this.#end('done');
    this.#send();
    return 'pending';
  }

  /** Ends the unit of work; later responses to it are stray. */
  abandon(): void {
    this.#end('done');
  }

  #end(outcome: Outcome): Outcome {
    this.#steps = [];
    this.#branch = '';
    this.#request = '';
    this.#challenge = undefined;
    return outcome;
  }

  #flaw(step: Step, status: number, response: string): string | undefined {
    const asked = `${step.authorized ? 'authorized ' : ''}${step.method}`;
    if (status !== step.status) return `${asked}: ${status} instead of ${step.status}`;
    if (!response.includes(this.#callId)) return `${asked}: ${status} with another Call-ID`;
    if (!response.includes(`${this.#cseq} ${step.method}`)) return `${asked}: ${status} with another CSeq`;
    if (status === 401) {
      this.#challenge = findChallenge(response);
      return this.#challenge ? undefined : `${asked}: 401 without an MD5 challenge`;
    }
    if (step.binding && isBound(response, `sip:${this.#contactUser}@`) !== (step.binding === 'bound')) {
      return `${asked}: 200, but the Contact is ${step.binding === 'bound' ? 'not bound' : 'still bound'}`;
    }
    return undefined;
  }

  #send(): void {
    const step = this.#steps[this.#step];
    if (!step) return;
    const { realm, salt } = this.#domain;
    const { address, port } = this.#source;
    this.#cseq++;
    this.#branch = `${this.slot}-${this.#sequence}-${this.#cseq}-${salt}`;
    const expires = step.binding === 'gone' ? 0 : this.#domain.expires;
    const contact = contactLines(`sip:${this.#contactUser}@${address}:${port}`, expires);
    this.#request = requestText({
      method: step.method,
      realm,
      aor: this.#aor,
      tag: this.#contactUser,
      via: `UDP ${address}:${port}`,
      branch: this.#branch,
      callId: this.#callId,
      cseq: this.#cseq,
      more: step.method === 'OPTIONS' ? 'Accept: application/sdp\r\n' : contact + this.#authorization(step),
    });
    this.#source.send(this.#request);
    this.#domain.onRequest(this);
  }

  #authorization({ authorized }: Step): string {
    const challenge = this.#challenge;
    if (!authorized || !challenge) return '';
    const { realm, salt } = this.#domain;
    const user = this.#user;
    if (challenge.realm === realm) this.#ha1 ??= ha1(user, realm, this.#password);
    return authorization(challenge, {
      user,
      uri: `sip:${realm}`,
      ha1: challenge.realm === realm && this.#ha1 ? this.#ha1 : ha1(user, challenge.realm, this.#password),
      ha2: this.#domain.ha2,
      cnonce: salt,
    });
  }
}

/** Whether a 200 lists a Contact with time left, by its expires parameter or else the Expires header. */
function isBound(response: string, contact: string): boolean {
  const at = response.indexOf(contact);
  if (at < 0) return false;
  const line = response.slice(at, response.indexOf('\r\n', at)).split(',', 1)[0] ?? '';
  const seconds = /;\s*expires=(\d+)/i.exec(line)?.[1] ?? /\r\nExpires:\s*(\d+)/i.exec(response)?.[1];
  return seconds !== undefined && Number(seconds) > 0;
}
