export interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | undefined;
  /** Whether it offers qop=auth; without it the response is that of RFC 2069. */
  readonly qop: boolean;
}

const HEADER = '\r\nWWW-Authenticate:';
const md5 = (text: string) => Bun.MD5.hash(text, 'hex');

/** The first MD5 challenge of a 401, which may have others (RFC 8760); undefined when it has none. */
export function findChallenge(response: string): Challenge | undefined {
  let name = HEADER;
  let text = response;
  if (!text.includes(name)) {
    // Header names are case-insensitive; lower-casing costs a copy of the response.
    name = HEADER.toLowerCase();
    text = response.toLowerCase();
  }
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + HEADER.length)) {
    const end = response.indexOf('\r\n', at + HEADER.length);
    const line = response.slice(at + HEADER.length, end < 0 ? undefined : end);
    const realm = param(line, 'realm');
    const nonce = param(line, 'nonce');
    const algorithm = param(line, 'algorithm');
    if (realm !== undefined && nonce && (algorithm === undefined || algorithm.toUpperCase() === 'MD5')) {
      return { realm, nonce, opaque: param(line, 'opaque'), qop: /\bauth\b(?!-)/.test(param(line, 'qop') ?? '') };
    }
  }
  return undefined;
}

export function ha1(user: string, realm: string, password: string): string {
  return md5(`${user}:${realm}:${password}`);
}

/** H(A2) of RFC 7616 3.4.3 for a REGISTER to this Request-URI. */
export function ha2(uri: string): string {
  return md5(`REGISTER:${uri}`);
}

/** The Authorization header line, with its CRLF, that answers a challenge for the first time (nc=00000001). */
export function authorization(
  challenge: Challenge,
  credentials: { user: string; uri: string; ha1: string; ha2: string; cnonce: string },
): string {
  const { realm, nonce, opaque, qop } = challenge;
  const { user, uri, cnonce } = credentials;
  const response = md5(
    qop
      ? `${credentials.ha1}:${nonce}:00000001:${cnonce}:auth:${credentials.ha2}`
      : `${credentials.ha1}:${nonce}:${credentials.ha2}`,
  );
  return (
    `Authorization: Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${uri}", ` +
    `response="${response}", algorithm=MD5${qop ? `, qop=auth, nc=00000001, cnonce="${cnonce}"` : ''}` +
    `${opaque === undefined ? '' : `, opaque="${opaque}"`}\r\n`
  );
}

/** The value of a parameter in a challenge. Scans, because a regular expression costs more. */
function param(line: string, name: string): string | undefined {
  for (let at = line.indexOf(`${name}=`); at >= 0; at = line.indexOf(`${name}=`, at + 1)) {
    const before = line[at - 1];
    if (before !== ' ' && before !== ',') continue;
    const start = at + name.length + 1;
    if (line[start] === '"') {
      const end = line.indexOf('"', start + 1);
      return end < 0 ? undefined : line.slice(start + 1, end);
    }
    const end = line.indexOf(',', start);
    return line.slice(start, end < 0 ? undefined : end).trim();
  }
  return undefined;
}
