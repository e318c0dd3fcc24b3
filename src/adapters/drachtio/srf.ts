import type { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import Srf from 'drachtio-srf';
import WireProtocol from 'drachtio-srf/lib/wire-protocol.js';

/**
 * The few things of drachtio-srf that we use, typed: its own declarations are mostly `any`. All knowledge of its
 * insides is in this file and in server.ts.
 */
export interface SrfRequest {
  readonly method: string;
  readonly uri: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly source_address: string;
  readonly source_port: number;
}

export interface SrfResponse {
  send(status: number, reason: string | undefined, options: { headers: Record<string, string> }): void;
}

export interface SrfApp {
  /** Emits in the same tick, unlike Srf itself. */
  on(
    event: 'connect',
    listener: (error: Error | null, hostports: string, version: string, local: string) => void,
  ): void;
  on(event: 'error', listener: (error: Error) => void): void;
  on(event: 'close', listener: () => void): void;
  use(method: string, handler: (request: SrfRequest, response: SrfResponse) => void): void;
  connect(options: {
    readonly host: string;
    readonly port: number;
    readonly secret: string;
    readonly reconnect: { readonly retryMaxDelay: number };
  }): void;
  readonly client: {
    readonly mapServer: ReadonlyMap<Socket, unknown>;
    removeRoute(method: string): void;
    readonly wp: {
      closing?: boolean;
      readonly reconnectVars: { retryDelay: number; retryTimer: NodeJS.Timeout | null };
    };
  };
}

export function createSrf(): SrfApp {
  return (new Srf() as unknown as { readonly app: SrfApp }).app;
}

/**
 * drachtio-srf throws out of its socket handler when a frame makes no sense, and keeps the bytes that made none: the
 * process would die, or never read again. Such a connection is closed instead, and made anew.
 */
function closeOnBadFrames(onBadFrame: (error: Error) => void): void {
  const prototype = WireProtocol.prototype as { _onData(socket: Socket, data: Buffer): void };
  const original = prototype._onData;
  prototype._onData = function (socket, data) {
    try {
      original.call(this, socket, data);
    } catch (error) {
      onBadFrame(error instanceof Error ? error : new Error(String(error)));
      socket.destroy();
    }
  };
}

let guarded = false;
/** Applies {@link closeOnBadFrames} once in a process. */
export function guardAgainstBadFrames(onBadFrame: (error: Error) => void): void {
  if (!guarded) closeOnBadFrames(onBadFrame);
  guarded = true;
}
