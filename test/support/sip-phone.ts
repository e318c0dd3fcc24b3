import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { digestResponse } from '../../src/digest/algorithm.ts';
import { parseAuthHeader } from '../../src/digest/credentials.ts';
import { within } from './deadline.ts';
import { freePort } from './net.ts';

export interface User {
  readonly user: string;
  readonly password: string;
  readonly realm: string;
}

export interface Answer {
  readonly status: number;
  header(name: string): string | undefined;
  readonly text: string;
}

export interface Asked {
  /** null: no Contact header. */
  readonly contact?: string | null;
  readonly expires?: number;
}

const ANSWER_DEADLINE_MS = 30_000;

/** A phone on its own UDP socket. */
export class SipPhone {
  #cseq = 0;
  readonly #callId = crypto.randomUUID();
  /** The last digest response sent, which must not appear in a log. */
  lastResponse = '';

  private constructor(
    private readonly socket: Socket,
    private readonly server: { host: string; port: number },
    private readonly who: User,
  ) {}

  static async open(server: { host: string; port: number }, who: User): Promise<SipPhone> {
    const socket = createSocket('udp4');
    socket.bind(await freePort(), '127.0.0.1');
    await once(socket, 'listening');
    return new SipPhone(socket, server, who);
  }

  get contact(): string {
    return `sip:${this.who.user}@127.0.0.1:${this.socket.address().port}`;
  }

  /** Sends a REGISTER and, if it is challenged, another with credentials. */
  async register(asked: Asked = {}): Promise<Answer> {
    const first = await this.send(asked);
    const challenge = first.status === 401 ? first.header('WWW-Authenticate') : undefined;
    return challenge === undefined ? first : this.send(asked, this.#credentials(challenge));
  }

  async send({ contact = `<${this.contact}>`, expires = 600 }: Asked, authorization?: string): Promise<Answer> {
    const { user, realm } = this.who;
    const lines = [
      `REGISTER sip:${realm} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${this.socket.address().port};branch=z9hG4bK${crypto.randomUUID()};rport`,
      'Max-Forwards: 70',
      `From: <sip:${user}@${realm}>;tag=phone`,
      `To: <sip:${user}@${realm}>`,
      `Call-ID: ${this.#callId}`,
      `CSeq: ${++this.#cseq} REGISTER`,
      ...(contact === null ? [] : [`Contact: ${contact}`, `Expires: ${expires}`]),
      ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
      'Content-Length: 0',
    ];
    const answered = once(this.socket, 'message');
    this.socket.send(`${lines.join('\r\n')}\r\n\r\n`, this.server.port, this.server.host);
    const [data] = await within(answered, ANSWER_DEADLINE_MS, `answer to ${lines[6]}`);
    return readAnswer(String(data));
  }

  close(): void {
    this.socket.close();
  }

  #credentials(challenge: string): string {
    const nonce = parseAuthHeader(challenge)[0]?.params.get('nonce') ?? '';
    const { user: username, password, realm } = this.who;
    const uri = `sip:${realm}`;
    const qop = { nc: '00000001', count: 1, cnonce: 'test' };
    this.lastResponse = digestResponse('MD5', { username, realm, nonce, uri, response: '', qop }, password, 'REGISTER');
    return `Digest username="${username}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${this.lastResponse}", algorithm=MD5, qop=auth, nc=00000001, cnonce="test"`;
  }
}

/** Registers from a new phone, which is closed afterwards. */
export async function registerOnce(server: { host: string; port: number }, who: User, asked?: Asked): Promise<Answer> {
  const phone = await SipPhone.open(server, who);
  try {
    return await phone.register(asked);
  } finally {
    phone.close();
  }
}

function readAnswer(text: string): Answer {
  return {
    status: Number(/^SIP\/2\.0 (\d{3}) /.exec(text)?.[1]),
    header: (name) => new RegExp(`^${name}: (.*)\r$`, 'im').exec(text)?.[1],
    text,
  };
}
