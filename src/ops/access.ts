import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Logger } from '../lib/logger.ts';
import { OncePer } from '../lib/once-per.ts';
import type { Timers } from '../lib/timers.ts';
import { networkOf } from '../sip/ip.ts';
import { failure, json } from './response.ts';
import type { Peer, Route } from './route.ts';

const WINDOW_MS = 60_000;
/** Wrong tokens of one source per window; after them its tokens are not compared. */
const MAX_WRONG = 10;
/** Sources that are counted apart; all others are counted together. */
const MAX_SOURCES = 1000;
const OTHERS = '';
/** Warnings about wrong tokens per window, one for each source. */
const MAX_WARNINGS = 20;

export interface AccessPolicy {
  /** '': no one may act. */
  readonly token: string;
  /** Whether reading needs no token. */
  readonly readable: boolean;
}

const OTHER_PAGE = () => failure(403, 'requests of other web pages are refused');

/** What a client may do. */
export interface Allowed {
  readonly read: boolean;
  readonly act: boolean;
  /** `none`: there is none, and nothing to enter. */
  readonly token: 'none' | 'missing' | 'wrong' | 'limited' | 'right';
}

/** Decides who may read and act over HTTP. */
export class Access {
  /** Equal lengths and nothing of the token itself are compared. */
  readonly #key = randomBytes(32);
  readonly #digest: Buffer;
  readonly #warnings: OncePer;
  #wrong = new Map<string, number>();
  #windowEnd = 0;

  constructor(
    private readonly policy: AccessPolicy,
    private readonly timers: Pick<Timers, 'now' | 'monotonic'>,
    private readonly logger: Logger,
  ) {
    this.#digest = this.#digestOf(policy.token);
    this.#warnings = new OncePer(WINDOW_MS, timers, MAX_WARNINGS);
  }

  /** The routes for those who may read; others are refused. */
  readers(routes: readonly Route[]): Route[] {
    return routes.map((route) => this.#guarded(route, 'read'));
  }

  /** The routes for those who may act; none of them exists without a token. */
  actors(routes: readonly Route[]): Route[] {
    return this.policy.token === '' ? [] : routes.map((route) => this.#guarded(route, 'act'));
  }

  /** `GET /api/access` is open to all: it answers what the client may do. */
  route(): Route {
    return {
      method: 'GET',
      path: '/api/access',
      handle: (request, peer) => (isSameOrigin(request) ? json(200, this.#allowed(request, peer)) : OTHER_PAGE()),
    };
  }

  #allowed(request: Request, peer: Peer): Allowed {
    const token = this.#judge(request, peer);
    const act = token === 'right';
    return { read: act || (this.policy.readable && (token === 'none' || token === 'missing')), act, token };
  }

  #guarded(route: Route, what: 'read' | 'act'): Route {
    return { ...route, handle: (request, peer) => this.#refusal(request, peer, what) ?? route.handle(request, peer) };
  }

  #refusal(request: Request, peer: Peer, what: 'read' | 'act'): Response | undefined {
    if (!isSameOrigin(request)) return OTHER_PAGE();
    const allowed = this.#allowed(request, peer);
    if (allowed[what]) return undefined;
    if (allowed.token === 'limited')
      return failure(429, 'too many wrong tokens', { 'Retry-After': String(Math.ceil(this.#leftMs() / 1000)) });
    if (allowed.token === 'none') return failure(403, 'set HTTP_ADMIN_TOKEN to read this from other machines');
    return failure(401, `${allowed.token} token`, { 'WWW-Authenticate': 'Bearer' });
  }

  #judge(request: Request, { address }: Peer): Allowed['token'] {
    if (this.policy.token === '') return 'none';
    const given = request.headers.get('Authorization');
    if (given === null) return 'missing';
    if (this.#leftMs() <= 0) this.#newWindow();
    const source = networkOf(address);
    const key = this.#wrong.has(source) || this.#wrong.size < MAX_SOURCES ? source : OTHERS;
    const wrong = this.#wrong.get(key) ?? 0;
    if (wrong >= MAX_WRONG) return 'limited';
    const token = /^Bearer +(.*)$/i.exec(given)?.[1] ?? '';
    if (timingSafeEqual(this.#digestOf(token), this.#digest)) return 'right';
    this.#wrong.set(key, wrong + 1);
    if (this.#warnings.isDue(source)) this.logger.warn({ source: address }, 'wrong HTTP_ADMIN_TOKEN');
    return 'wrong';
  }

  #digestOf(token: string): Buffer {
    return createHmac('sha256', this.#key).update(token).digest();
  }

  #leftMs(): number {
    return this.#windowEnd - this.timers.monotonic();
  }

  #newWindow(): void {
    this.#wrong = new Map();
    this.#windowEnd = this.timers.monotonic() + WINDOW_MS;
  }
}

/** Browsers name the page that sends a request; other programs send neither header. */
function isSameOrigin({ headers }: Request): boolean {
  const site = headers.get('Sec-Fetch-Site');
  if (site !== null && site !== 'same-origin' && site !== 'none') return false;
  const origin = headers.get('Origin');
  return origin === null || URL.parse(origin)?.host === headers.get('Host')?.toLowerCase();
}
