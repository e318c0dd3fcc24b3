import { ALGORITHMS, digestResponse } from '../../src/digest/algorithm.ts';
import { parseAuthHeader } from '../../src/digest/credentials.ts';
import type { SipAnswer } from '../../src/ports/sip-server.ts';
import { type RegisterRules, register } from '../../src/register/index.ts';
import { readHead } from '../../src/sip/head.ts';
import type { Source } from '../../src/sip/message.ts';
import { digestResponseSent, secret } from './secrets.ts';
import { composeRequest, receivedRequest } from './sip-request.ts';
import { openPeer, type Protocol } from './wire.ts';

export interface User {
  readonly user: string;
  readonly password: string;
  readonly realm: string;
}

/** Carries the requests of one phone to its server, one at a time. */
export interface Line {
  /** Protocol and sent-by, for Via. */
  readonly via: string;
  /** Host and port with URI parameters, for Contact. */
  readonly contactHost: string;
  /** @param source replaces the phone's own, for {@link pipeline} @returns the final response */
  send(request: string, source?: Partial<Source>): Promise<SipAnswer>;
  close(): void;
}

/** What a REGISTER has in place of the usual; null: nothing. */
export interface RegisterFields {
  readonly uri?: string;
  readonly to?: string;
  readonly contact?: string | null;
  readonly expires?: string | number | null;
  readonly callId?: string;
  readonly cseq?: string;
  readonly via?: string;
  readonly authorization?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly source?: Partial<Source>;
}

interface CredentialOptions {
  readonly username?: string;
  readonly password?: string;
  readonly nc?: string;
  readonly algorithm?: string;
  /** False: in the style of RFC 2069. */
  readonly qop?: boolean;
}

interface LineOptions {
  /** Whether a request is sent again until it is answered, as by RFC 3261 17.1.2.2 over UDP. */
  readonly retransmits?: boolean;
  /** The phone's own, such as 127.0.0.5. */
  readonly address?: string;
}

const RESPONSE_MS = 30_000;
const T1_MS = 500;
const T2_MS = 4_000;
/** Sent-by of a browser, which has no address (RFC 7118 appendix B.1). */
const BROWSER = 'df7jal23ls0d.invalid';

/** A phone of one user, over a line to its server. */
export class Phone implements Disposable {
  readonly #callId = crypto.randomUUID();
  #cseq = 0;
  #nonce = '';
  #uses = 0;

  constructor(
    private readonly line: Line,
    readonly user: string,
    readonly password: string,
    readonly realm = 'sip.example.com',
  ) {}

  /** Opens a phone on its own socket or connection. @throws when the connection cannot be opened */
  static async open(
    server: { readonly host: string; readonly port: number },
    { user, password, realm }: User,
    protocol: Protocol = 'udp',
    options: LineOptions = {},
  ): Promise<Phone> {
    secret(`the password of ${user}`, password);
    return new Phone(await openLine(protocol, server, options), user, password, realm);
  }

  get contact(): string {
    return `sip:${this.user}@${this.line.contactHost}`;
  }

  /** Sends a REGISTER and, if it is challenged, another with credentials. */
  async register(fields: RegisterFields = {}): Promise<SipAnswer> {
    const first = await this.send(fields);
    return first.status === 401 ? this.send({ ...fields, authorization: this.answer(first) }) : first;
  }

  /** Sends one REGISTER. */
  send(fields: RegisterFields = {}): Promise<SipAnswer> {
    this.#cseq++;
    const contact = fields.contact === undefined ? `<${this.contact}>` : fields.contact;
    const expires = fields.expires === undefined && contact !== null ? 600 : fields.expires;
    const text = composeRequest('REGISTER', fields.uri ?? `sip:${this.realm}`, {
      Via: fields.via ?? `SIP/2.0/${this.line.via};branch=z9hG4bK${crypto.randomUUID()}`,
      From: `<sip:${this.user}@${this.realm}>;tag=1`,
      To: fields.to ?? `<sip:${this.user}@${this.realm}>`,
      'Call-ID': fields.callId ?? this.#callId,
      CSeq: fields.cseq ?? `${this.#cseq} REGISTER`,
      Contact: contact ?? undefined,
      Expires: expires?.toString(),
      Authorization: fields.authorization,
      ...fields.headers,
    });
    return this.line.send(text, fields.source);
  }

  /** The credentials for the first challenge of a 401 or 407. */
  answer(challenged: SipAnswer, options: CredentialOptions = {}): string {
    const header = challenged.headers?.['WWW-Authenticate'] ?? challenged.headers?.['Proxy-Authenticate'] ?? '';
    const params = parseAuthHeader(typeof header === 'string' ? header : (header[0] ?? ''))[0]?.params;
    const algorithm = params?.get('algorithm') ?? 'MD5';
    return this.credentials(params?.get('nonce') ?? '', { algorithm, qop: params?.has('qop') ?? true, ...options });
  }

  /** The credentials for a nonce, whose nonce-count goes up with each use. */
  credentials(nonce: string, options: CredentialOptions = {}): string {
    this.#uses = nonce === this.#nonce ? this.#uses + 1 : 1;
    this.#nonce = nonce;
    const count = this.#uses.toString(16).padStart(8, '0');
    const { user, realm } = this;
    return digestCredentials({ user, realm, password: this.password }, nonce, { nc: count, ...options });
  }

  close(): void {
    this.line.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Registers from a new phone, which is closed afterwards. */
export async function registerOnce(
  server: { readonly host: string; readonly port: number },
  user: User,
  fields?: RegisterFields,
): Promise<SipAnswer> {
  using phone = await Phone.open(server, user);
  return await phone.register(fields);
}

/** A line that calls `register()` directly, without a SIP server. */
export function pipeline(rules: RegisterRules, source = { address: '192.0.2.7', port: 5060 }): Line {
  return {
    via: `UDP ${source.address}`,
    contactHost: `${source.address}:${source.port}`,
    send(text, changes) {
      const transport = text.includes('\r\nVia: SIP/2.0/UDP ') ? 'udp' : 'tcp';
      return register(rules, receivedRequest(text, { transport, ...source, ...changes }));
    },
    close() {},
  };
}

/** The Authorization value of a REGISTER for `sip:<realm>`. */
export function digestCredentials(user: User, nonce: string, options: CredentialOptions = {}): string {
  const { username = user.user, password = user.password, nc = '00000001', qop = true } = options;
  const { realm } = user;
  const algorithm = ALGORITHMS.find((name) => name === options.algorithm) ?? 'MD5';
  const uri = `sip:${realm}`;
  const signed = { username, realm, nonce, uri };
  const use = { nc, count: Number.parseInt(nc, 16), cnonce: 'c' };
  const response = digestResponse(algorithm, qop ? { ...signed, qop: use } : signed, password, 'REGISTER');
  digestResponseSent(response);
  const tail = qop ? `, qop=auth, nc=${nc}, cnonce="c"` : '';
  return `Digest username="${username}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=${algorithm}${tail}`;
}

/** A header of a response as one text. */
export function headerOf(answer: SipAnswer, name: string): string | undefined {
  const value = answer.headers?.[name];
  return typeof value === 'string' ? value : value?.join(', ');
}

async function openLine(
  protocol: Protocol,
  server: { readonly host: string; readonly port: number },
  { retransmits = false, address }: LineOptions,
): Promise<Line> {
  const peer = await openPeer(protocol, server.port, server.host, address);
  const own = `${peer.address}:${peer.port}`;
  const isBrowser = protocol === 'ws' || protocol === 'wss';
  const transport = protocol === 'udp' ? '' : `;transport=${isBrowser ? 'ws' : protocol}`;
  return {
    via: `${protocol.toUpperCase()} ${isBrowser ? BROWSER : own};rport`,
    contactHost: `${isBrowser ? BROWSER : own}${transport}`,
    async send(text) {
      const cseq = /^CSeq: .*(?=\r)/m.exec(text)?.[0] ?? '';
      const stop = sendAgain(() => peer.send(text), retransmits);
      try {
        for (;;) {
          const response = readResponse(await peer.next(`a response to ${cseq}`, RESPONSE_MS));
          if (response.status >= 200 && `CSeq: ${headerOf(response, 'CSeq')}` === cseq) return response;
        }
      } finally {
        stop();
      }
    },
    close: () => peer[Symbol.dispose](),
  };
}

/** Sends now and, if wanted, again after intervals that double from T1 to T2. @returns a function that ends it */
function sendAgain(send: () => void, retransmits: boolean): () => void {
  send();
  if (!retransmits) return () => {};
  let timer: ReturnType<typeof setTimeout>;
  const schedule = (ms: number) => {
    timer = setTimeout(() => {
      send();
      schedule(Math.min(ms * 2, T2_MS));
    }, ms);
  };
  schedule(T1_MS);
  return () => clearTimeout(timer);
}

/** Status NaN when it is none. */
function readResponse(text: string): SipAnswer {
  const { startLine, headers } = readHead(text);
  const [, status, reason = ''] = /^SIP\/2\.0 (\d{3}) (.*)$/.exec(startLine) ?? [];
  const values: Record<string, string[]> = {};
  for (const { name, value } of headers) values[name] = [...(values[name] ?? []), value];
  return { status: Number(status), reason, headers: values };
}
