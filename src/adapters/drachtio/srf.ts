import type { Socket } from 'node:net';
import Srf from 'drachtio-srf';
import WireProtocolClass from 'drachtio-srf/lib/wire-protocol.js';

/**
 * The few things of drachtio-srf that we use, typed: its own declarations are mostly `any`. It keeps the connection to
 * the server: connecting, authenticating, routing, reconnecting. Messages we read and write ourselves, see messages.ts and requests.ts.
 */
export interface SrfApp {
  /** Emits in the same tick, unlike Srf itself. */
  on(
    event: 'connect',
    listener: (error: Error | null, hostports: string, version: string, local: string) => void,
  ): void;
  on(event: 'error', listener: (error: Error) => void): void;
  on(event: 'close', listener: () => void): void;
  /** Has the server send us requests of a method, given in lower case. */
  use(method: string, handler: () => void): void;
  connect(options: {
    readonly host: string;
    readonly port: number;
    readonly secret: string;
    readonly reconnect: { readonly retryMaxDelay: number };
  }): void;
  readonly client: {
    /** The connections that were made; at most one. */
    readonly mapServer: ReadonlyMap<Socket, unknown>;
    removeRoute(method: string): void;
    /** There once `connect` was called. */
    readonly wp: WireProtocol;
  };
}

export interface WireProtocol {
  closing?: boolean;
  readonly reconnectVars: { retryDelay: number; retryTimer: NodeJS.Timeout | null };
  listeners(event: 'msg'): ((socket: Socket, message: string) => void)[];
  removeAllListeners(event: 'msg'): void;
  on(event: 'msg', listener: (socket: Socket, message: string) => void): void;
  /** Sends a frame: an id of its own making, `|`, and this text. */
  send(socket: Socket, text: string): string;
}

export function createSrf(): SrfApp {
  const srf = new Srf();
  // Srf emits what its app emits once more; without a listener an error would end the process.
  srf.on('error', () => {});
  return (srf as unknown as { readonly app: SrfApp }).app;
}

/**
 * Has a function see every message first; those that it does not want go on to drachtio-srf. Whatever either throws
 * closes the connection, which drachtio-srf then makes anew.
 * @param wants returns whether it took the message
 */
export function interceptMessages(
  wp: WireProtocol,
  wants: (socket: Socket, message: string) => boolean,
  onBadMessage: (error: unknown) => void,
): void {
  const [original] = wp.listeners('msg');
  wp.removeAllListeners('msg');
  wp.on('msg', (socket, message) => {
    if (!wants(socket, message)) original?.(socket, message);
  });
  complain = onBadMessage;
}

let complain: (error: unknown) => void = () => {};

// drachtio-srf throws out of its socket's data handler when a frame makes no sense, and binds that handler while it
// connects: the prototype, before any connection, is the one place where this can be caught.
const prototype = WireProtocolClass.prototype as { _onData(socket: Socket, data: Buffer): void };
const onData = prototype._onData;
prototype._onData = function (socket, data) {
  try {
    onData.call(this, socket, data);
  } catch (error) {
    complain(error);
    socket.destroy();
  }
};
