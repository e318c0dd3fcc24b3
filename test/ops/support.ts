import { dispatch, type Peer, type Route } from '../../src/ops/route.ts';

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Address of the client. */
  readonly from?: string;
  readonly peer?: Peer;
}

/** Asks a table of routes by the name `localhost:3001`. */
export function ask(routes: readonly Route[], path: string, asked: Asked = {}): Promise<Response> {
  const { method = 'GET', headers = {}, body, from = '192.0.2.1' } = asked;
  const request = new Request(`http://localhost:3001${path}`, {
    method,
    headers: { Host: 'localhost:3001', ...headers },
    ...(body !== undefined && { body }),
  });
  const peer = asked.peer ?? { address: from, idleTimeout() {} };
  return dispatch(routes, new Set(['localhost']), request, peer);
}

export const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
