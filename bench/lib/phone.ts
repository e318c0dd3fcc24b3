import { type Client, openClient, type Protocol } from './client.ts';
import { authorization, findChallenge, ha1, ha2 } from './digest.ts';
import { contactLines, requestText } from './request.ts';
import { REALM } from './sidecar.ts';

const ANSWER_MS = 16_000;
/** Timer E of RFC 3261 17.1.2.2: a request over UDP is sent again after T1, then at doubling intervals up to T2. */
const T1_MS = 500;
const T2_MS = 4000;
const TICK_MS = 250;

/** A phone of the sidecar's account, on a socket or connection of its own, with one request in flight at a time. */
export class Phone {
  #client: Client | undefined;
  #request = '';
  #dueAt = 0;
  #interval = T1_MS;
  #timer: Timer | undefined;
  #answer: ((text: string | undefined) => void) | undefined;
  #cseq = 0;
  readonly #callId = crypto.randomUUID();

  /** @param user its number: user1 has the password secret1 @throws when the connection cannot be opened */
  static async open(protocol: Protocol, port: number, user: number, ca?: string): Promise<Phone> {
    const phone = new Phone(user);
    const events = { message: (text: string) => phone.#take(text), closed: () => phone.#take(undefined) };
    phone.#client = await openClient(protocol, port, events, ca);
    if (protocol === 'udp') phone.#timer = setInterval(() => phone.#resendIfDue(), TICK_MS);
    return phone;
  }

  private constructor(private readonly user: number) {}

  /** Sends a request; `taken` gets the final response, or undefined when the connection ends first. */
  ask(method: 'OPTIONS' | 'REGISTER', extra: string, taken: (text: string | undefined) => void): void {
    const client = this.#client;
    if (!client) {
      taken(undefined);
      return;
    }
    this.#answer = taken;
    const cseq = ++this.#cseq;
    const contact = method === 'REGISTER' ? contactLines(`sip:user${this.user}@${client.contactHost}`) : '';
    this.#request = requestText({
      method,
      realm: REALM,
      aor: `<sip:user${this.user}@${REALM}>`,
      tag: '1',
      via: client.via,
      branch: `${this.#callId}-${cseq}`,
      callId: this.#callId,
      cseq,
      more: contact + extra,
    });
    client.send(this.#request);
    this.#interval = T1_MS;
    this.#dueAt = performance.now() + T1_MS;
  }

  /** Sends a request and returns the response. @throws when there is none */
  request(method: 'OPTIONS' | 'REGISTER', extra = ''): Promise<string> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no answer to ${method} within ${ANSWER_MS} ms`)), ANSWER_MS);
      this.ask(method, extra, (text) => {
        clearTimeout(late);
        if (text === undefined) reject(new Error(`${method}: the connection ended before an answer`));
        else resolve(text);
      });
    });
  }

  /** Registers, and answers a challenge. @throws when the final response is not 200 */
  async register(): Promise<void> {
    let answer = await this.request('REGISTER');
    const challenge = answer.startsWith('SIP/2.0 401 ') ? findChallenge(answer) : undefined;
    if (challenge) {
      const user = `user${this.user}`;
      const uri = `sip:${REALM}`;
      const credentials = {
        user,
        uri,
        ha1: ha1(user, challenge.realm, `secret${this.user}`),
        ha2: ha2(uri),
        cnonce: 'c',
      };
      answer = await this.request('REGISTER', authorization(challenge, credentials));
    }
    if (!answer.startsWith('SIP/2.0 200 ')) throw new Error(`registering: ${answer.slice(0, answer.indexOf('\r\n'))}`);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#client?.close();
  }

  #resendIfDue(): void {
    if (!this.#answer || performance.now() < this.#dueAt) return;
    this.#interval = Math.min(2 * this.#interval, T2_MS);
    this.#dueAt = performance.now() + this.#interval;
    this.#client?.send(this.#request);
  }

  #take(text: string | undefined): void {
    if (text !== undefined && !text.includes(`CSeq: ${this.#cseq} `)) return;
    const taken = this.#answer;
    this.#answer = undefined;
    taken?.(text);
  }
}
