import type { EventBus } from '../events/bus.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timers } from '../lib/timers.ts';
import { Access, type AccessPolicy } from './access.ts';
import { apiRoutes, type Perform } from './api.ts';
import { LiveStreams } from './live-streams.ts';
import { pageFiles } from './page-files.ts' with { type: 'macro' };
import type { RecentFigures } from './recent-figures.ts';
import type { Route } from './route.ts';

export interface StatusPageSources {
  readonly access: AccessPolicy;
  readonly perform: Perform;
  /** The answer to `GET /api/figures`. */
  figures(): object;
  readonly recent: RecentFigures;
  readonly bus: EventBus;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** The page runs its own script and style, loads nothing else, and makes no HTML of text. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/** Made when the sidecar is built, or when this module is loaded without a build. */
const FILES = pageFiles();

/** `GET /` and the resources behind it. */
export class StatusPage {
  readonly routes: readonly Route[];
  readonly #streams: LiveStreams;

  constructor({ access: policy, bus, recent, timers, logger, ...sources }: StatusPageSources) {
    const access = new Access(policy, timers, logger);
    this.#streams = new LiveStreams(bus, recent, timers);
    const events: Route = {
      method: 'GET',
      path: '/api/events',
      handle: (request, peer) => this.#streams.handle(request, peer),
    };
    // The page itself shows nothing of the sidecar.
    this.routes = [...FILES.map(fileRoute), ...apiRoutes(access, { ...sources, timers }), ...access.readers([events])];
  }

  /** Ends the streams of events. */
  stop(): void {
    this.#streams.stop();
  }
}

function fileRoute({ path, type, text }: ReturnType<typeof pageFiles>[number]): Route {
  const headers = {
    'Content-Type': `${type}; charset=utf-8`,
    'Content-Security-Policy': POLICY,
    'Cross-Origin-Opener-Policy': 'same-origin',
  };
  return { method: 'GET', path, handle: () => new Response(text, { headers }) };
}
