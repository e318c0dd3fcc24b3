import type { Socket } from 'node:net';
import Srf from 'drachtio-srf';
import WireProtocolClass from 'drachtio-srf/lib/wire-protocol.js';

/** The parts of drachtio-srf that we use, typed: its own declarations are mostly `any`. */
export interface SrfApp {
  /** Emits in the same tick, unlike Srf. */
  on(
    event: 'connect',
    listener: (error: Error | null, hostports: string, version: string, local: string) => void,
  ): void;
  on(event: 'error', listener: (error: Error) => void): void;
  on(event: 'close', listener: () => void): void;
  /** Asks the server for requests of a method, in lower case. */
  use(method: string, handler: () => void): void;
  connect(options: {
    readonly host: string;
    readonly port: number;
    readonly secret: string;
    readonly reconnect: { readonly retryMaxDelay: number };
  }): void;
  readonly client: {
    readonly mapServer: ReadonlyMap<Socket, unknown>;
    removeRoute(method: string): void;
    readonly wp: WireProtocol;
  };
}

export interface WireProtocol {
  closing?: boolean;
  readonly reconnectVars: { retryDelay: number; retryTimer: NodeJS.Timeout | null };
  listeners(event: 'msg'): ((socket: Socket, message: string) => void)[];
  removeAllListeners(event: 'msg'): void;
  on(event: 'msg', listener: (socket: Socket, message: string) => void): void;
  /** Sends a frame: a new id, `|`, and the text. @returns the id */
  send(socket: Socket, text: string): string;
}

export function createSrf(): SrfApp {
  const srf = new Srf();
  // Srf repeats the events of its app; an error without a listener would end the process.
  srf.on('error', () => {});
  return (srf as unknown as { readonly app: SrfApp }).app;
}

/**
 * Passes every message to `take` first, and to drachtio-srf those for which it returns false. When either throws, the
 * connection is closed and drachtio-srf reconnects.
 */
export function interceptMessages(
  wp: WireProtocol,
  take: (socket: Socket, message: string) => boolean,
  onBadMessage: (error: unknown) => void,
): void {
  const [original] = wp.listeners('msg');
  wp.removeAllListeners('msg');
  wp.on('msg', (socket, message) => {
    if (!take(socket, message)) original?.(socket, message);
  });
  complain = onBadMessage;
}

let complain: (error: unknown) => void = () => {};

// On a malformed frame drachtio-srf throws from its socket's data handler, which it binds while it connects: only the
// prototype, before any connection, allows us to catch that.
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
