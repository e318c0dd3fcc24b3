import { isIP } from 'node:net';
import { unbracketed } from '../sip/ip.ts';
import { failure } from './response.ts';

/** What a handler may know of the connection of its request. */
export interface Peer {
  /** Source IP address; '' when it is unknown. */
  readonly address: string;
  /** Closes the connection when this response makes no progress for so long, seconds; 0: never. 10 s unless it is called. */
  idleTimeout(seconds: number): void;
}

/** One row of the table of resources. */
export interface Route {
  /** GET also answers HEAD. */
  readonly method: 'GET' | 'POST';
  /** Compared byte for byte, without the query. */
  readonly path: string;
  /**
   * `any`: probes and Prometheus may call us by any name. Otherwise Host must name an address or us, so that no web page
   * reaches this resource by a name of its own that points to us (DNS rebinding).
   */
  readonly calledBy?: 'any';
  handle(request: Request, peer: Peer): Response | Promise<Response>;
}

/**
 * Answers a request by the table of routes: 404 for another path, 405 for another method, 421 for a foreign Host. Rejects
 * only when a handler does.
 * @param names by which this server may be called, in lower case, besides its addresses
 */
export async function dispatch(
  routes: readonly Route[],
  names: ReadonlySet<string>,
  request: Request,
  peer: Peer,
): Promise<Response> {
  const path = pathOf(request.url);
  const here = routes.filter((route) => route.path === path);
  if (here.length === 0) return failure(404, 'no such resource');
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const route = here.find((one) => one.method === method);
  if (!route) return failure(405, 'method not allowed', { Allow: here.flatMap(methodsOf).join(', ') });
  if (route.calledBy !== 'any' && !isOurs(request.headers.get('Host'), names))
    return failure(421, 'the Host header must name an IP address, localhost, this machine or HTTP_HOST');
  return route.handle(request, peer);
}

/** Of a URL as Bun gives it: absolute, or only a path when the Host header is missing or cannot be part of a URL. */
function pathOf(url: string): string {
  return /^(?:https?:\/\/[^/?#]*)?([^?#]*)/.exec(url)?.[1] ?? '';
}

function methodsOf({ method }: Route): readonly string[] {
  return method === 'GET' ? ['GET', 'HEAD'] : [method];
}

function isOurs(host: string | null, names: ReadonlySet<string>): boolean {
  const name = unbracketed((host ?? '').replace(/:\d*$/, '')).toLowerCase();
  return isIP(name) !== 0 || names.has(name);
}
