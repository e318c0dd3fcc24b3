import type { ActionName, StreamName } from '../admin/protocol.ts';
import { parseJson } from '../lib/json.ts';
import type { Timers } from '../lib/timers.ts';
import type { Access } from './access.ts';
import { failure, json } from './response.ts';
import type { Peer, Route } from './route.ts';

/** Rows of a list in an answer. */
const MAX_ROWS = 500;
/** Bindings in the answer to a search. */
const MAX_FOUND = 100;
/** After this a search answers with what it has found, milliseconds. */
const SEARCH_MS = 3_000;
/** Searches at a time; further ones are answered 503. */
const MAX_SEARCHES = 4;

/** Actions that are answered to GET under their own names. */
const READS = [
  'status',
  'fs-list',
  'trunk-list',
  'gateway-list',
  'ban-list',
  'reg-show',
] as const satisfies ActionName[];
/** Actions that are carried out on POST under their own names. */
const ACTS = ['fs-drain', 'fs-undrain', 'reg-remove', 'ban-clear'] as const satisfies ActionName[];
const SEARCH = 'reg-list' satisfies StreamName;

/** Rows in these states come last, so that what is wrong is seen in a long list too. */
const WELL: ReadonlySet<unknown> = new Set(['registered', 'refreshing', 'up']);

/** Carries out an action of the admin socket. Its answer is one object, or several for {@link SEARCH}. */
export type Perform = (
  request: object,
  signal: AbortSignal,
  operator: { readonly source: string },
) => Promise<object | AsyncIterable<object>>;

export interface ApiSources {
  readonly perform: Perform;
  /** The answer to `GET /api/figures`. */
  figures(): object;
  readonly timers: Timers;
}

/** The JSON behind the status page: answers of the admin socket's actions, bounded, and acts. */
export function apiRoutes(access: Access, sources: ApiSources): Route[] {
  const { perform, figures } = sources;
  const parameters = (request: Request) => Object.fromEntries(new URL(request.url).searchParams);
  const read = (action: ActionName): Route => ({
    method: 'GET',
    path: `/api/${action}`,
    handle: async (request, peer) => {
      const asked = { ...parameters(request), action };
      return answered(await perform(asked, request.signal, { source: peer.address }));
    },
  });
  const search = new Search(sources);
  return [
    access.route(),
    ...access.readers([
      ...READS.map(read),
      { method: 'GET', path: '/api/figures', handle: () => json(200, figures()) },
      {
        method: 'GET',
        path: `/api/${SEARCH}`,
        handle: (request, peer) => search.handle({ ...parameters(request), action: SEARCH }, request.signal, peer),
      },
    ]),
    ...access.actors(ACTS.map((action) => act(action, perform))),
  ];
}

function act(action: ActionName, perform: Perform): Route {
  return {
    method: 'POST',
    path: `/api/${action}`,
    handle: async (request, peer) => {
      // A form of another page cannot have this type.
      if (!/^application\/json *(;|$)/i.test(request.headers.get('Content-Type') ?? ''))
        return failure(415, 'Content-Type must be application/json');
      const asked = parseJson(await request.text());
      if (typeof asked !== 'object' || asked === null || Array.isArray(asked))
        return failure(400, 'the body must be a JSON object');
      return answered(await perform({ ...asked, action }, request.signal, { source: peer.address }));
    },
  };
}

/** Searches bindings with a bound on time and rows. */
class Search {
  #running = 0;

  constructor(private readonly sources: ApiSources) {}

  async handle(asked: object, client: AbortSignal, peer: Peer): Promise<Response> {
    if (this.#running >= MAX_SEARCHES) return failure(503, 'too many searches', { 'Retry-After': '1' });
    this.#running++;
    const end = new AbortController();
    const timer = this.sources.timers.after(SEARCH_MS, () => end.abort());
    try {
      const signal = AbortSignal.any([client, end.signal]);
      return await this.#found(await this.sources.perform(asked, signal, { source: peer.address }), signal);
    } finally {
      timer.cancel();
      this.#running--;
    }
  }

  async #found(parts: object, signal: AbortSignal): Promise<Response> {
    if (!isStream(parts)) return answered(parts);
    const bindings: unknown[] = [];
    for await (const part of parts) {
      if (!isSuccess(part)) return answered(part);
      const found: unknown = Reflect.get(part, 'bindings');
      if (Array.isArray(found)) bindings.push(...found);
      if (bindings.length > MAX_FOUND) break;
    }
    const complete = bindings.length <= MAX_FOUND && !signal.aborted;
    return json(200, {
      success: true,
      bindings: bindings.slice(0, MAX_FOUND),
      complete,
      now: this.sources.timers.now(),
    });
  }
}

function isStream(answer: object): answer is AsyncIterable<object> {
  return Symbol.asyncIterator in answer;
}

function isSuccess(answer: object): boolean {
  return Reflect.get(answer, 'success') === true;
}

function answered(answer: object): Response {
  return json(isSuccess(answer) ? 200 : 409, bounded(answer));
}

/** Cuts long lists; `more` has the number of rows that each has lost. */
function bounded(answer: object): object {
  const lists = Object.entries(answer).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]));
  const rows = lists.map(([name, list]) => [name, wellLast(list).slice(0, MAX_ROWS)] as const);
  const long = lists.filter(([, list]) => list.length > MAX_ROWS);
  const more = Object.fromEntries(long.map(([name, list]) => [name, list.length - MAX_ROWS]));
  return { ...answer, ...Object.fromEntries(rows), ...(long.length > 0 ? { more } : {}) };
}

function wellLast(rows: readonly unknown[]): unknown[] {
  const isWell = (row: unknown) => typeof row === 'object' && row !== null && WELL.has(Reflect.get(row, 'state'));
  return rows.toSorted((a, b) => Number(isWell(a)) - Number(isWell(b)));
}
