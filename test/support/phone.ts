import { ALGORITHMS, type Algorithm, digestResponse } from '../../src/digest/algorithm.ts';
import { parseAuthHeader } from '../../src/digest/credentials.ts';
import type { SipAnswer } from '../../src/ports/sip-server.ts';
import { type RegisterRules, register } from '../../src/register/index.ts';
import type { SipRequest } from '../../src/sip/message.ts';
import { sipRequest } from './sip-request.ts';

export interface Asked {
  readonly uri?: string;
  readonly to?: string;
  /** null: no Contact header. */
  readonly contact?: string | null;
  readonly expires?: string | null;
  readonly callId?: string;
  readonly cseq?: string;
  readonly via?: string;
  readonly authorization?: string;
  readonly source?: { address: string; port: number };
  readonly transport?: string;
}

/** A phone that calls `register()` directly, without a SIP server. */
export class Phone {
  cseq = 0;
  private uses = 0;

  constructor(
    private readonly rules: RegisterRules,
    readonly user: string,
    readonly password: string,
    readonly realm = 'sip.example.com',
    readonly source = { address: '192.0.2.7', port: 5060 },
  ) {}

  get contact(): string {
    return `<sip:${this.user}@${this.source.address}:${this.source.port}>`;
  }

  send(asked: Asked = {}): Promise<SipAnswer> {
    return register(this.rules, this.request(asked));
  }

  request(asked: Asked): SipRequest {
    this.cseq++;
    const contact = asked.contact === undefined ? this.contact : asked.contact;
    const expires = asked.expires === undefined ? '600' : asked.expires;
    const fields: Record<string, string> = {
      Via: asked.via ?? `SIP/2.0/UDP ${this.source.address};branch=z9hG4bK${this.cseq}`,
      From: `<sip:${this.user}@${this.realm}>;tag=1`,
      To: asked.to ?? `<sip:${this.user}@${this.realm}>`,
      'Call-ID': asked.callId ?? `call-${this.user}`,
      CSeq: asked.cseq ?? `${this.cseq} REGISTER`,
      ...(contact !== null && { Contact: contact }),
      ...(expires !== null && { Expires: expires }),
      ...(asked.authorization !== undefined && { Authorization: asked.authorization }),
    };
    const { address, port } = asked.source ?? this.source;
    const transport = asked.transport ?? (fields.Via?.includes('/UDP ') ? 'udp' : 'tcp');
    return sipRequest('REGISTER', asked.uri ?? `sip:${this.realm}`, fields, { transport, address, port });
  }

  /** Sends a REGISTER and, if it is challenged, another with credentials. */
  async register(asked: Asked = {}): Promise<SipAnswer> {
    const first = await this.send(asked);
    if (first.status !== 401) return first;
    return this.send({ ...asked, authorization: this.answer(first) });
  }

  answer(challenged: SipAnswer, changes: Record<string, string> & { password?: string } = {}): string {
    const header = challenged.headers?.['WWW-Authenticate'];
    const [challenge] = parseAuthHeader(String(Array.isArray(header) ? header[0] : header));
    return this.credentials(challenge?.params.get('nonce') ?? '', changes, challenge?.params.get('algorithm'));
  }

  credentials(
    nonce: string,
    changes: Record<string, string> & { password?: string } = {},
    algorithmName = 'MD5',
  ): string {
    const { password = this.password, ...given } = changes;
    const algorithm: Algorithm = ALGORITHMS.find((a) => a === algorithmName) ?? 'MD5';
    const nc = given.nc ?? (++this.uses).toString(16).padStart(8, '0');
    const username = given.username ?? this.user;
    const uri = `sip:${this.realm}`;
    const qop = { nc, count: Number.parseInt(nc, 16), cnonce: 'c' };
    const base = { username, realm: this.realm, nonce, uri, response: '' };
    const response = digestResponse(algorithm, given.qop === 'none' ? base : { ...base, qop }, password, 'REGISTER');
    const tail = given.qop === 'none' ? '' : `, qop=auth, nc=${nc}, cnonce="c"`;
    return `Digest username="${username}", realm="${this.realm}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=${algorithm}${tail}`;
  }
}

export function headerOf(answer: SipAnswer, name: string): string | undefined {
  const value = answer.headers?.[name];
  return typeof value === 'string' ? value : value?.join(', ');
}
