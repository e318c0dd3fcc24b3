import { digestCredentials } from '../support/phone.ts';
import { composeRequest } from '../support/sip-request.ts';
import { UdpPeer } from '../support/wire.ts';

export interface ProbedResponse {
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
    return new Prober(await UdpPeer.open(server.port), realm);
  }

  private constructor(
    private readonly peer: UdpPeer,
    private readonly realm: string,
  ) {}

  async ask(
    user: string,
    method: 'REGISTER' | 'OPTIONS' | 'INVITE' = 'REGISTER',
    authorization?: string,
  ): Promise<ProbedResponse> {
    const n = ++this.#count;
    const aor = `<sip:${user}@${this.realm}>`;
    const own = `127.0.0.1:${this.peer.port}`;
    const text = composeRequest(method, `sip:${method === 'REGISTER' ? '' : `${user}@`}${this.realm}`, {
      Via: `SIP/2.0/UDP ${own};branch=z9hG4bK${crypto.randomUUID()}`,
      From: `${aor};tag=${n}`,
      To: aor,
      CSeq: `${n} ${method}`,
      Contact: `<sip:${user}@${own}>`,
      Authorization: authorization,
    });
    const sentAt = performance.now();
    this.peer.send(text);
    const response = await this.peer.next(`a response for ${user}`);
    const ms = performance.now() - sentAt;
    const [status = '', ...lines] = response.split('\r\n');
    const headers = lines
      .filter((line) => line !== '' && !/^(Via|Call-ID|CSeq|From):/.test(line))
      .map((line) =>
        line
          .replace(/nonce="[^"]*"/, 'nonce')
          .replace(/;tag=\S+/, ';tag')
          .replace(user, 'user'),
      );
    return { status, headers, ms, text: response };
  }

  /** Answers a challenge with this password. @returns the response */
  async guess(user: string, password = 'wrong'): Promise<ProbedResponse> {
    const challenged = await this.ask(user);
    const nonce = /nonce="([^"]*)"/.exec(challenged.text)?.[1] ?? '';
    const credentials = digestCredentials({ user, password, realm: this.realm }, nonce);
    return this.ask(user, 'REGISTER', credentials);
  }

  [Symbol.dispose](): void {
    this.peer[Symbol.dispose]();
  }
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
