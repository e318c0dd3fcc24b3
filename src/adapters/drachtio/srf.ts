import type { Socket } from 'node:net';
import Srf from 'drachtio-srf';
import WireProtocolClass from 'drachtio-srf/lib/wire-protocol.js';
import { FrameReader } from './frames.ts';

/** More than the longest SIP message that drachtio accepts, 2 MB. */
const MAX_FRAME_BYTES = 2 ** 22;

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
  emit(event: 'msg', socket: Socket, message: string): void;
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

// drachtio-srf binds its reader while it connects: only the prototype, before any connection, allows us to replace it. Its
// own copies each chunk and throws where it cannot be caught.
const prototype = WireProtocolClass.prototype as { _onData(this: WireProtocol, socket: Socket, data: Buffer): void };
const readers = new WeakMap<Socket, FrameReader>();
prototype._onData = function (socket, data) {
  let reader = readers.get(socket);
  if (!reader) {
    reader = new FrameReader(MAX_FRAME_BYTES, (message) => this.emit('msg', socket, message));
    readers.set(socket, reader);
  }
  try {
    if (reader.push(data)) return;
    complain('not a frame');
  } catch (error) {
    complain(error);
  }
  socket.destroy();
};
