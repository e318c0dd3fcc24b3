import { type Algorithm, algorithmOf, responseMatches } from '../../src/digest/algorithm.ts';
import { challenges } from '../../src/digest/challenge.ts';
import { type Credentials, credentialsFor, parseAuthHeader } from '../../src/digest/credentials.ts';
import type { PeerAnswer, PeerRequest, Script } from './sip-peer.ts';

export interface RegistrarOptions {
  readonly realm?: string;
  /** The password of a user; undefined for one that does not exist. */
  readonly password: (username: string) => string | undefined;
  /** Offered in this order. */
  readonly algorithms?: readonly Algorithm[];
  /** 407 asks with Proxy-Authenticate. */
  readonly challenge?: 401 | 407;
  /** Without it the digest is that of RFC 2069. */
  readonly qop?: boolean;
  /** Seconds granted for what was asked; as asked unless given. */
  readonly grant?: (asked: number) => number;
  /** Seconds; asking for less (but for 0) is answered 423. */
  readonly minExpires?: number;
  /** What every other request gets, OPTIONS above all; 200 unless given. */
  readonly others?: Script;
}

export interface Registered {
  /** As the request had it. */
  readonly contact: string;
  /** Seconds. */
  readonly expires: number;
}

const DEFAULT_EXPIRES = 3600;

/** A registrar with real digest authentication, as a script for SipPeer: `SipPeer.start(registrar.script)`. */
export class Registrar {
  /** User → its registration; removed by Expires 0. */
  readonly registered = new Map<string, Registered>();
  /** How many REGISTERs had credentials that were wrong. */
  refused = 0;
  /** Nonce → the nonce-count last used with it. */
  readonly #nonces = new Map<string, number>();
  #issued = 0;

  constructor(private readonly options: RegistrarOptions) {}

  /** Takes back all nonces: whoever uses one is told that it is stale. */
  expireNonces(): void {
    this.#nonces.clear();
  }

  readonly script: Script = (request) => {
    const { realm = 'registrar.test', minExpires = 0, others = ok } = this.options;
    if (request.method !== 'REGISTER') return others(request);
    const value = request.header(this.#proxy ? 'Proxy-Authorization' : 'Authorization');
    const credentials = value === undefined ? undefined : credentialsFor(realm, parseAuthHeader(value));
    if (credentials === 'malformed') return { status: 400, reason: 'Bad Request - Malformed Credentials' };
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
  };

  get #proxy(): boolean {
    return this.options.challenge === 407;
  }

  #challenge(stale: boolean): PeerAnswer {
    const { realm = 'registrar.test', algorithms = ['MD5'], qop = true } = this.options;
    const nonce = `nonce-${++this.#issued}`;
    this.#nonces.set(nonce, 0);
    const values = challenges(realm, nonce, algorithms, stale);
    const offered = qop ? values : values.map((value) => value.replace(', qop="auth"', ''));
    return this.#proxy
      ? { status: 407, reason: 'Proxy Authentication Required', headers: { 'Proxy-Authenticate': offered } }
      : { status: 401, reason: 'Unauthorized', headers: { 'WWW-Authenticate': offered } };
  }

  #passwordIsRight(credentials: Credentials, request: PeerRequest): boolean {
    const { algorithms = ['MD5'], qop = true, password } = this.options;
    const algorithm = algorithmOf(credentials);
    if (!algorithm || !algorithms.includes(algorithm) || (credentials.qop !== undefined) !== qop) return false;
    if (credentials.uri !== request.uri) return false;
    return responseMatches(algorithm, credentials, password(credentials.username), request.method);
  }

  /** RFC 7616 3.4: with qop each use of a nonce has a higher count. */
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

/** @param seconds the shortest registration that is accepted */
export function intervalTooBrief(seconds: number): PeerAnswer {
  return { status: 423, reason: 'Interval Too Brief', headers: { 'Min-Expires': String(seconds) } };
}

/** @param retryAfter seconds, or seconds with a comment: `120 (maintenance)` */
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

/** @param contacts where to go instead, as Contact values */
export function movedTemporarily(...contacts: string[]): PeerAnswer {
  return { status: 302, reason: 'Moved Temporarily', headers: { Contact: contacts } };
}

/** Answers one request after the other with these, and all further ones with the last. */
export function inTurn(first: Script, ...others: Script[]): Script {
  const scripts = [first, ...others];
  let next = 0;
  return (request) => (scripts[Math.min(next++, scripts.length - 1)] ?? first)(request);
}
