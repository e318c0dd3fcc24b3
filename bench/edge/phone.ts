import { authorization, findChallenge, ha1, ha2 } from '../register/digest.ts';
import { type Client, openClient, type Protocol } from './client.ts';
import { REALM } from './sidecar.ts';

/** Timer F of RFC 3261 with T1 as on a LAN; nothing on loopback takes that long unless something is wrong. */
const ANSWER_MS = 10_000;

/** A phone with one request in flight at a time. */
export class Phone {
  #client: Client | undefined;
  #answer: ((text: string | undefined) => void) | undefined;
  #cseq = 0;
  readonly #callId = crypto.randomUUID();

  /** @throws when the connection cannot be had */
  static async open(protocol: Protocol, port: number, user: number, ca?: string): Promise<Phone> {
    const phone = new Phone(user);
    const events = { message: (text: string) => phone.#take(text), closed: () => phone.#take(undefined) };
    phone.#client = await openClient(protocol, port, events, ca);
    return phone;
  }

  private constructor(private readonly user: number) {}

  /** Sends a request; `taken` gets its answer, undefined when the connection has ended instead. */
  ask(method: 'OPTIONS' | 'REGISTER', extra: string, taken: (text: string | undefined) => void): void {
    const client = this.#client;
    if (!client) {
      taken(undefined);
      return;
    }
    this.#answer = taken;
    const cseq = ++this.#cseq;
    const aor = `<sip:user${this.user}@${REALM}>`;
    const contact =
      method === 'REGISTER' ? `Contact: <sip:user${this.user}@${client.contactHost}>\r\nExpires: 3600\r\n` : '';
    client.send(
      `${method} sip:${REALM} SIP/2.0\r\n` +
        `Via: SIP/2.0/${client.via};branch=z9hG4bK${this.#callId}-${cseq};rport\r\nMax-Forwards: 70\r\n` +
        `From: ${aor};tag=1\r\nTo: ${aor}\r\nCall-ID: ${this.#callId}\r\nCSeq: ${cseq} ${method}\r\n` +
        `${contact}${extra}User-Agent: edge-bench\r\nContent-Length: 0\r\n\r\n`,
    );
  }

  /** Sends a request and returns the answer. @throws when none comes */
  request(method: 'OPTIONS' | 'REGISTER', extra = ''): Promise<string> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no answer to ${method} within ${ANSWER_MS} ms`)), ANSWER_MS);
      this.ask(method, extra, (text) => {
        clearTimeout(late);
        if (text === undefined) reject(new Error(`${method}: the connection has ended instead of an answer`));
        else resolve(text);
      });
    });
  }

  /** Registers, with credentials when it is challenged. @throws when the last answer is no 200 */
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
    this.#client?.close();
  }

  #take(text: string | undefined): void {
    const taken = this.#answer;
    this.#answer = undefined;
    taken?.(text);
  }
}
