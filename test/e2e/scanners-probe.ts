import { digestResponse } from '../../src/digest/algorithm.ts';
import { parseAuthHeader } from '../../src/digest/credentials.ts';
import { UdpPeer } from '../support/wire.ts';

export interface Answer {
  readonly status: string;
  /** In order, without headers of the request, and with tags, nonces and the user name masked. */
  readonly headers: readonly string[];
  readonly ms: number;
  readonly text: string;
}

/** A scanner that tries user names and compares the responses. */
export class Prober {
  #count = 0;

  static async open(server: { readonly port: number }, realm: string): Promise<Prober> {
    return new Prober(await UdpPeer.open(), server.port, realm);
  }

  private constructor(
    private readonly peer: UdpPeer,
    private readonly port: number,
    private readonly realm: string,
  ) {}

  async ask(user: string, method: 'REGISTER' | 'OPTIONS' | 'INVITE' = 'REGISTER', authorization = ''): Promise<Answer> {
    const n = ++this.#count;
    const aor = `<sip:${user}@${this.realm}>`;
    const text =
      `${method} sip:${method === 'REGISTER' ? '' : `${user}@`}${this.realm} SIP/2.0\r\n` +
      `Via: SIP/2.0/UDP 127.0.0.1:${this.peer.port};branch=z9hG4bK${crypto.randomUUID()}\r\nMax-Forwards: 70\r\n` +
      `From: ${aor};tag=${n}\r\nTo: ${aor}\r\nCall-ID: ${crypto.randomUUID()}\r\nCSeq: ${n} ${method}\r\n` +
      `Contact: <sip:${user}@127.0.0.1:${this.peer.port}>\r\n${authorization}Content-Length: 0\r\n\r\n`;
    const sentAt = performance.now();
    this.peer.send(text, this.port);
    const answer = await this.peer.next(`an answer for ${user}`);
    const ms = performance.now() - sentAt;
    const [status = '', ...lines] = answer.split('\r\n');
    const headers = lines
      .filter((line) => line !== '' && !/^(Via|Call-ID|CSeq|From):/.test(line))
      .map((line) =>
        line
          .replace(/nonce="[^"]*"/, 'nonce')
          .replace(/;tag=\S+/, ';tag')
          .replace(user, 'user'),
      );
    return { status, headers, ms, text: answer };
  }

  /** Answers a challenge with this password. @returns the response */
  async guess(user: string, password = 'wrong'): Promise<Answer> {
    const challenged = await this.ask(user);
    const header = /\r\nWWW-Authenticate: ([^\r\n]*)/.exec(challenged.text)?.[1] ?? '';
    const nonce = parseAuthHeader(header)[0]?.params.get('nonce') ?? '';
    const uri = `sip:${this.realm}`;
    const credentials = {
      username: user,
      realm: this.realm,
      nonce,
      uri,
      response: '',
      qop: { nc: '00000001', count: 1, cnonce: 'c' },
    };
    const response = digestResponse('MD5', credentials, password, 'REGISTER');
    return this.ask(
      user,
      'REGISTER',
      `Authorization: Digest username="${user}", realm="${this.realm}", nonce="${nonce}", uri="${uri}", ` +
        `response="${response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"\r\n`,
    );
  }

  [Symbol.dispose](): void {
    this.peer[Symbol.dispose]();
  }
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
