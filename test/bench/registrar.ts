import { createHash } from 'node:crypto';

/** A REGISTER or OPTIONS that the registrar received. */
export interface Received {
  readonly text: string;
  readonly method: string;
  readonly source: string;
  readonly callId: string;
  readonly branch: string;
  readonly contact: string;
  readonly authorization: string | undefined;
}

export interface RegistrarOptions {
  readonly password: (user: string) => string;
  /** Whether to drop a request; `copies` counts its transmissions, this one included. */
  readonly silent?: (request: Received, copies: number) => boolean;
  /** Header lines before the challenge, without the last CRLF. */
  readonly otherChallenge?: string;
  /** The header lines of a 200 for a Contact, CRLFs included. */
  readonly listed?: (contact: string, expires: number) => string;
}

/**
 * A small registrar to test the generator. It challenges everything but a refresh of a Contact it has, and computes the
 * digest independently of the generator, with node:crypto.
 */
export class TestRegistrar {
  readonly requests: Received[] = [];
  /** Contact by AOR. */
  readonly bindings = new Map<string, string>();
  readonly #copies = new Map<string, number>();
  readonly #nonces = new Set<string>();
  #socket: Bun.udp.Socket<'buffer'> | undefined;

  private constructor(readonly options: RegistrarOptions) {}

  static async start(options: RegistrarOptions): Promise<TestRegistrar> {
    const registrar = new TestRegistrar(options);
    registrar.#socket = await Bun.udpSocket({
      hostname: '127.0.0.1',
      binaryType: 'buffer',
      socket: {
        data: (socket, data, port, address) => {
          const answer = registrar.#answer(data.toString(), `${address}:${port}`);
          if (answer) socket.send(answer, port, address);
        },
      },
    });
    return registrar;
  }

  get port(): number {
    return this.#socket?.port ?? 0;
  }

  stop(): void {
    this.#socket?.close();
  }

  #answer(text: string, source: string): string | undefined {
    const header = (name: string) => new RegExp(`^${name}: (.*)\r$`, 'm').exec(text)?.[1];
    const method = text.slice(0, text.indexOf(' '));
    const request: Received = {
      text,
      method,
      source,
      callId: header('Call-ID') ?? '',
      branch: /branch=([^;]+)/.exec(header('Via') ?? '')?.[1] ?? '',
      contact: header('Contact') ?? '',
      authorization: header('Authorization'),
    };
    const copies = (this.#copies.get(request.branch) ?? 0) + 1;
    this.#copies.set(request.branch, copies);
    this.requests.push(request);
    if (this.options.silent?.(request, copies)) return undefined;
    const echo = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map((name) => `${name}: ${header(name)}\r\n`).join('');
    const reply = (line: string, extra = '') => `SIP/2.0 ${line}\r\n${echo}${extra}Content-Length: 0\r\n\r\n`;
    if (method === 'OPTIONS') return reply('200 OK');

    const aor = header('To') ?? '';
    const expires = Number(header('Expires'));
    const refreshes = expires > 0 && this.bindings.get(aor) === `${request.contact} ${source}`;
    if (!refreshes && !request.authorization) {
      const nonce = crypto.randomUUID();
      this.#nonces.add(nonce);
      const other = this.options.otherChallenge ? `${this.options.otherChallenge}\r\n` : '';
      const challenge = `WWW-Authenticate: Digest realm="sidecar.test", qop="auth", nonce="${nonce}", opaque="o,p"\r\n`;
      return reply('401 Unauthorized', other + challenge);
    }
    if (!refreshes && !this.#authorized(request.authorization ?? '')) return reply('403 Forbidden');
    if (expires === 0) this.bindings.delete(aor);
    else this.bindings.set(aor, `${request.contact} ${source}`);
    return reply('200 OK', (this.options.listed ?? listed)(request.contact, expires));
  }

  #authorized(line: string): boolean {
    const param = (name: string) => new RegExp(`[ ,]${name}=(?:"([^"]*)"|([^,]+))`).exec(line)?.slice(1).join('') ?? '';
    const md5 = (text: string) => createHash('md5').update(text).digest('hex');
    const [user, realm, nonce, uri] = ['username', 'realm', 'nonce', 'uri'].map(param);
    // A nonce is good for one request.
    if (!this.#nonces.delete(nonce ?? '') || param('opaque') !== 'o,p' || realm !== 'sidecar.test') return false;
    const a1 = md5(`${user}:${realm}:${this.options.password(user ?? '')}`);
    const a2 = md5(`REGISTER:${uri}`);
    return param('response') === md5(`${a1}:${nonce}:${param('nc')}:${param('cnonce')}:${param('qop')}:${a2}`);
  }
}

function listed(contact: string, expires: number): string {
  return expires > 0 ? `Contact: ${contact};expires=${expires}\r\n` : '';
}
