import { type Algorithm, algorithmOf, responseMatches } from '../../src/digest/algorithm.ts';
import { challenges } from '../../src/digest/challenge.ts';
import {
  type Credentials,
  credentialsFor,
  MalformedCredentials,
  parseAuthHeader,
} from '../../src/digest/credentials.ts';
import type { PeerAnswer, PeerRequest, Script } from './sip-peer.ts';

export interface RegistrarOptions {
  readonly realm?: string;
  readonly password: (username: string) => string | undefined;
  readonly algorithms?: readonly Algorithm[];
  readonly challenge?: 401 | 407;
  /** False: RFC 2069. */
  readonly qop?: boolean;
  /** Of challenges; credentials must repeat it. */
  readonly opaque?: string;
  /** The expiry granted for the one requested, seconds. */
  readonly grant?: (asked: number) => number;
  /** Seconds; a shorter expiry other than 0 is answered 423. */
  readonly minExpires?: number;
  /** For methods other than REGISTER; default 200. */
  readonly others?: Script;
}

export interface Registered {
  readonly contact: string;
  /** Seconds. */
  readonly expires: number;
}

const DEFAULT_EXPIRES = 3600;

/** A registrar with digest authentication, as a script: `SipPeer.start(registrar.script)`. */
export class Registrar {
  readonly registered = new Map<string, Registered>();
  /** REGISTERs with wrong credentials. */
  refused = 0;
  /** Nonce → last nonce-count. */
  readonly #nonces = new Map<string, number>();
  #issued = 0;

  constructor(private readonly options: RegistrarOptions) {}

  /** Makes all nonces stale. */
  expireNonces(): void {
    this.#nonces.clear();
  }

  readonly script: Script = (request) => {
    const { others = ok } = this.options;
    return request.method === 'REGISTER' ? this.answer(request) : others(request);
  };

  /** The final response to a REGISTER. */
  answer(request: PeerRequest): PeerAnswer {
    const { realm = 'registrar.test', minExpires = 0 } = this.options;
    const value = request.header(this.#proxy ? 'Proxy-Authorization' : 'Authorization');
    const credentials = value === undefined ? undefined : credentialsFor(realm, parseAuthHeader(value));
    if (credentials instanceof MalformedCredentials)
      return { status: 400, reason: 'Bad Request - Malformed Credentials' };
    if (!credentials) return this.#challenge(false);
    if (!this.#passwordIsRight(credentials, request)) {
      this.refused++;
      return forbidden();
    }
    if (!this.#nonceIsFresh(credentials)) return this.#challenge(true);

    const contact = request.header('Contact');
    if (contact === undefined) return this.#ok(this.registered.get(credentials.username));
    const asked = Number(/;expires=(\d+)/i.exec(contact)?.[1] ?? request.header('Expires') ?? DEFAULT_EXPIRES);
    if (asked === 0) {
      this.registered.delete(credentials.username);
      return this.#ok(undefined);
    }
    if (asked < minExpires) return intervalTooBrief(minExpires);
    const registered = { contact, expires: this.options.grant?.(asked) ?? asked };
    this.registered.set(credentials.username, registered);
    return this.#ok(registered);
  }

  get #proxy(): boolean {
    return this.options.challenge === 407;
  }

  #challenge(stale: boolean): PeerAnswer {
    const { realm = 'registrar.test', algorithms = ['MD5'], qop = true, opaque } = this.options;
    const nonce = `nonce-${++this.#issued}`;
    this.#nonces.set(nonce, 0);
    const values = challenges(realm, nonce, algorithms, stale);
    const suffix = opaque === undefined ? '' : `, opaque="${opaque}"`;
    const offered = values.map((value) => (qop ? value : value.replace(', qop="auth"', '')) + suffix);
    return this.#proxy
      ? { status: 407, reason: 'Proxy Authentication Required', headers: { 'Proxy-Authenticate': offered } }
      : { status: 401, reason: 'Unauthorized', headers: { 'WWW-Authenticate': offered } };
  }

  #passwordIsRight(credentials: Credentials, request: PeerRequest): boolean {
    const { algorithms = ['MD5'], qop = true, password } = this.options;
    const algorithm = algorithmOf(credentials);
    if (!algorithm || !algorithms.includes(algorithm) || (credentials.qop !== undefined) !== qop) return false;
    if (credentials.uri !== request.uri || credentials.opaque !== this.options.opaque) return false;
    return responseMatches(algorithm, credentials, password(credentials.username), request.method);
  }

  #nonceIsFresh({ nonce, qop }: Credentials): boolean {
    const last = this.#nonces.get(nonce);
    const count = qop?.count ?? 1;
    if (last === undefined || (qop && count <= last)) return false;
    this.#nonces.set(nonce, count);
    return true;
  }

  #ok(registered: Registered | undefined): PeerAnswer {
    if (!registered) return ok();
    const contact = registered.contact.replace(/;expires=\d+/i, '');
    return { status: 200, reason: 'OK', headers: { Contact: `${contact};expires=${registered.expires}` } };
  }
}

export function ok(): PeerAnswer {
  return { status: 200, reason: 'OK' };
}

/** @param challenges values of WWW-Authenticate, a header line each */
export function unauthorized(...challenges: string[]): PeerAnswer {
  return { status: 401, reason: 'Unauthorized', headers: { 'WWW-Authenticate': challenges } };
}

export function intervalTooBrief(seconds: number): PeerAnswer {
  return { status: 423, reason: 'Interval Too Brief', headers: { 'Min-Expires': String(seconds) } };
}

/** @param retryAfter seconds, with or without a comment: `120 (maintenance)` */
export function serviceUnavailable(retryAfter?: number | string): PeerAnswer {
  const headers = retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) };
  return { status: 503, reason: 'Service Unavailable', headers };
}

export function notFound(): PeerAnswer {
  return { status: 404, reason: 'Not Found' };
}

export function forbidden(): PeerAnswer {
  return { status: 403, reason: 'Forbidden' };
}

export function movedTemporarily(...contacts: string[]): PeerAnswer {
  return { status: 302, reason: 'Moved Temporarily', headers: { Contact: contacts } };
}

/** Runs one script per request, and the last for all further requests. */
export function inTurn(first: Script, ...others: Script[]): Script {
  const scripts = [first, ...others];
  let next = 0;
  return (request) => (scripts[Math.min(next++, scripts.length - 1)] ?? first)(request);
}
